// Runs clients against both example servers and prints what came of it: each check as it ends, at the end the matrix.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { Table } from './lib/table.mjs';
import { HERE, SERVERS, Stopped, Trial } from './lib/trial.mjs';

const LIMIT_MS = 10 * 60_000;
/** Most of the time of a run is waiting: for tokens to lapse, for programs to start. */
const AT_ONCE = Number(process.env.JOBS ?? 5);

const drivers = readdirSync(path.join(HERE, 'drivers')).filter((name) => name.endsWith('.mjs')).map((name) => name.slice(0, -4));
const frameworks = Object.keys(SERVERS);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !drivers.includes(name) && !frameworks.includes(name));
if (unknown.length > 0) {
  console.error(`no such name: ${unknown.join(', ')}; clients: ${drivers.join(', ')}; servers: ${frameworks.join(', ')}`);
  process.exit(2);
}
const chosen = (names) => {
  const some = names.filter((name) => wanted.includes(name));
  return some.length > 0 ? some : names;
};

const jobs = [];
for (const driver of chosen(drivers)) {
  const { drive, runs = [{ name: driver, alone: true, drive }] } = await import(`./drivers/${driver}.mjs`);
  for (const framework of chosen(frameworks)) {
    for (const run of runs) if (run.only === undefined || run.only === framework) jobs.push({ ...run, framework });
  }
}

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    console.log(`stopped by ${signal}`);
    await Promise.all([...running].map((trial) => trial.end()));
    process.exit(1);
  });
}

const table = new Table();
async function run({ name, framework, drive }) {
  const begun = Date.now();
  const trial = new Trial(name, framework, (what, result, why) => table.enter({ name, framework, what, result, why }));
  running.add(trial);
  try {
    await trial.within(() => drive(trial), LIMIT_MS);
  } catch (error) {
    // A step that failed has said so already.
    if (!(error instanceof Stopped)) trial.report('the whole run', 'failed', String(error?.stack ?? error));
  } finally {
    await trial.end();
    running.delete(trial);
  }
  console.log(`-- ${name}, ${framework}: ${Math.round((Date.now() - begun) / 1000)} s`);
}

const queue = jobs.filter(({ alone }) => !alone).sort((one, other) => Number(other.slow ?? false) - Number(one.slow ?? false));
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let job = queue.shift(); job; job = queue.shift()) await run(job);
  }),
);
// Clocks and mouse clicks: nothing else may take the processor.
for (const job of jobs.filter(({ alone }) => alone)) await run(job);

// Programs of others have races of their own, on a machine that is full. What fails a second time, alone, has failed.
for (const job of jobs.filter((one) => table.hasFailed(one))) {
  console.log(`-- ${job.name}, ${job.framework}: once more, alone`);
  table.setAside(job);
  await run(job);
}

table.print(jobs);
const { passed, failed, skipped } = table.count;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
