// What came of every check, and the matrix of it.

import { ROWS } from './life.mjs';

const WORDS = { passed: 'ok', failed: 'FAILED', skipped: 'skipped' };

export class Table {
  count = { passed: 0, failed: 0, skipped: 0 };
  #entries = [];
  #again = [];

  enter(entry) {
    this.count[entry.result] += 1;
    this.#entries.push({ ...entry, why: (entry.why ?? '').replaceAll(/\s+/g, ' ').slice(0, 900) });
    const { name, framework, what, result, why } = this.#entries.at(-1);
    console.log(`${name} | ${framework} | ${what} | ${WORDS[result]}${why ? `: ${why}` : ''}`);
  }

  hasFailed({ name, framework }) {
    return this.#entries.some((entry) => entry.name === name && entry.framework === framework && entry.result === 'failed');
  }

  /** A run is made again: what it has said does not count, but for a line that says so. */
  setAside({ name, framework }) {
    const isOf = (entry) => entry.name === name && entry.framework === framework;
    for (const { what, result, why } of this.#entries.filter(isOf)) {
      this.count[result] -= 1;
      if (result === 'failed') this.#again.push(`${name}, ${framework}, ${what}: ${why}`);
    }
    this.#entries = this.#entries.filter((entry) => !isOf(entry));
  }

  /** Lines are clients, columns are the rows; a number points to the remark below. */
  print(jobs) {
    const frameworks = [...new Set(jobs.map(({ framework }) => framework))];
    const inMatrix = (client) => this.#entries.some(({ name, what }) => name === client && ROWS.includes(what));
    const clients = [...new Set(jobs.map(({ name }) => name))].filter(inMatrix);
    const remarks = [];
    const cell = (name, row) => {
      const found = frameworks.map((framework) => this.#entries.find((e) => e.name === name && e.framework === framework && e.what === row));
      return found.map((entry) => this.#mark(entry, remarks)).join(' / ');
    };
    if (clients.length > 0) {
      const head = ['client', ...ROWS];
      const lines = clients.map((name) => [name, ...ROWS.map((row) => cell(name, row))]);
      const widths = head.map((_, at) => Math.max(...[head, ...lines].map((line) => line[at].length)));
      const line = (cells) => `| ${cells.map((text, at) => text.padEnd(widths[at])).join(' | ')} |`;
      console.log(`\nEach cell: ${frameworks.join(' / ')}\n\n${line(head)}\n${line(widths.map((width) => '-'.repeat(width)))}`);
      for (const cells of lines) console.log(line(cells));
    }
    this.#printOthers(frameworks);
    if (remarks.length > 0) console.log('');
    for (const text of this.#again) console.log(`Failed in a first run, and run again: ${text}`);
    remarks.forEach((remark, at) => console.log(`[${at + 1}] ${remark}`));
    console.log('');
  }

  /** A remark says what is wrong, why it was not tried, or what a person had to do. */
  #mark(entry, remarks) {
    if (!entry) return '?';
    const word = { passed: 'ok', failed: 'FAILED', skipped: '-' }[entry.result];
    const remark = entry.result === 'passed' ? /after .*$/.exec(entry.why)?.[0] : entry.why;
    if (!remark) return word;
    let at = remarks.indexOf(remark);
    if (at < 0) at = remarks.push(remark) - 1;
    return `${word} [${at + 1}]`;
  }

  /** Checks beyond the rows: how many passed, and each that did not. */
  #printOthers(frameworks) {
    const others = this.#entries.filter(({ what }) => !ROWS.includes(what));
    if (others.length === 0) return;
    console.log('\n| further checks | server | passed | failed | skipped |\n| --- | --- | --- | --- | --- |');
    for (const name of new Set(others.map((entry) => entry.name))) {
      for (const framework of frameworks) {
        const of = (result) => others.filter((e) => e.name === name && e.framework === framework && e.result === result).length;
        if (of('passed') + of('failed') + of('skipped') > 0) {
          console.log(`| ${name} | ${framework} | ${of('passed')} | ${of('failed')} | ${of('skipped')} |`);
        }
      }
    }
    const bad = others.filter(({ result }) => result !== 'passed');
    for (const { name, framework, what, result, why } of bad) console.log(`${WORDS[result]}: ${name}, ${framework}, ${what}: ${why}`);
  }
}
