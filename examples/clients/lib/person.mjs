// A person with a browser, without the browser: keeps cookies, reads the consent form, approves, picks an account at the
// company login, and follows redirects to wherever they lead. No script, no style: what the pages promise to need.
//
//   node person.mjs URL [--user ada] [--deny] [--journal FILE]

import { appendFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { fileURLToPath } from 'node:url';

const MAX_HOPS = 20;

export class Person {
  #jar = new Map();

  /** `ca`: a certificate to trust. `connect`: `{ 'host:port': port }` on this machine. */
  constructor({ user = 'ada', decision = 'approve', ca, connect = {} } = {}) {
    Object.assign(this, { user, decision, ca, connect });
    this.hops = [];
    this.pages = [];
  }

  /** Goes to `url` and does what pages ask until one has no form, or `stop(url)` says that it is far enough. */
  async visit(url, { stop = () => false } = {}) {
    let request = { method: 'GET', url: new URL(url), site: 'none' };
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      if (stop(request.url)) return { url: request.url, hops: this.hops };
      const answer = await this.#send(request);
      this.hops.push(`${request.method} ${request.url.origin}${request.url.pathname} ${answer.status}`);
      const location = answer.headers.location;
      if (answer.status >= 300 && answer.status < 400 && location) {
        // 303 and, for a POST, 301 and 302 turn into GET.
        const keeps = answer.status === 307 || answer.status === 308;
        const next = new URL(location, request.url);
        request = keeps ? { ...request, url: next } : { method: 'GET', url: next, site: request.site };
        if (!/^https?:$/.test(next.protocol)) return { url: next, hops: this.hops };
        continue;
      }
      const page = answer.body;
      this.pages.push({ url: String(request.url), status: answer.status, headers: answer.headers, page });
      const forms = answer.status === 200 && /html/.test(answer.headers['content-type'] ?? '') ? formsOf(page) : [];
      if (forms.length === 0) return { url: request.url, status: answer.status, headers: answer.headers, page, hops: this.hops };
      const { action, fields } = this.#press(forms);
      request = {
        method: 'POST',
        url: new URL(action || request.url, request.url),
        site: 'same-origin',
        body: new URLSearchParams(fields).toString(),
      };
    }
    throw new Error(`more than ${MAX_HOPS} hops: ${this.hops.join(', ')}`);
  }

  /** The button that this person wants, wherever on the page, with the fields of its form that come along. */
  #press(forms) {
    for (const [name, value] of [['decision', this.decision], ['user', this.user]]) {
      const form = forms.find(({ buttons }) => buttons.some((button) => button.name === name && button.value === value));
      if (form) return { action: form.action, fields: [...form.hidden, [name, value]] };
    }
    throw new Error(`nothing to press: ${JSON.stringify(forms)}`);
  }

  #send({ method, url, body, site }) {
    const secure = url.protocol === 'https:';
    const headers = {
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      'accept-language': 'en',
      'upgrade-insecure-requests': '1',
      'user-agent': 'Mozilla/5.0 (a person)',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site,
      'sec-fetch-user': '?1',
    };
    const cookies = this.#jar.get(url.hostname) ?? new Map();
    const sent = [...cookies].filter(([, cookie]) => secure || !cookie.secure);
    if (sent.length > 0) headers.cookie = sent.map(([name, cookie]) => `${name}=${cookie.value}`).join('; ');
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = 'null'; // as browsers do under `Referrer-Policy: no-referrer`
    }
    const port = Number(url.port) || (secure ? 443 : 80);
    const mapped = this.connect[`${url.hostname}:${port}`];
    const options = {
      method,
      headers: { ...headers, host: url.host },
      host: mapped ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, ''),
      port: mapped ?? port,
      path: `${url.pathname}${url.search}`,
      servername: url.hostname,
      ca: this.ca,
      agent: false,
      timeout: 20_000,
    };
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (data) => (text += data));
        response.on('error', reject);
        response.on('end', () => {
          this.#keep(url, response.headers['set-cookie'] ?? []);
          resolve({ status: response.statusCode, headers: response.headers, body: text });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`no answer from ${url.origin}`)));
      request.on('error', reject);
      request.end(body);
    });
  }

  #keep(url, lines) {
    const jar = this.#jar.get(url.hostname) ?? new Map();
    for (const line of lines) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      const has = (attribute) => attributes.some((text) => text.toLowerCase() === attribute);
      if (has('max-age=0')) jar.delete(name);
      else jar.set(name, { value, secure: has('secure') });
    }
    this.#jar.set(url.hostname, jar);
  }
}

/** What a page says, for people who read the report. */
export const textOf = (page = '') =>
  unescape(page.replaceAll(/<(style|script|title)\b[\s\S]*?<\/\1>/gi, ' ').replaceAll(/<[^>]*>/g, ' ')).replaceAll(/\s+/g, ' ').trim().slice(0, 300);

function unescape(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) =>
    hex || decimal ? String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10)) : (named[name] ?? all),
  );
}

function attributes(tag) {
  const found = {};
  for (const [, name, double, single, bare] of tag.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))/g)) {
    found[name.toLowerCase()] = unescape(double ?? single ?? bare);
  }
  return found;
}

/** The forms that are to be posted. */
export function formsOf(html) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].flatMap(([, own, inner]) => {
    const { action = '', method = 'get' } = attributes(own);
    if (method.toLowerCase() !== 'post') return [];
    const tags = (name) => [...inner.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'gi'))].map((tag) => attributes(tag[1]));
    const inputs = tags('input');
    const pairs = (list) => list.map(({ name, value = '' }) => ({ name, value }));
    const hidden = inputs.filter(({ type }) => type === 'hidden').map(({ name, value = '' }) => [name, value]);
    return [{ action, hidden, buttons: pairs([...tags('button'), ...inputs.filter(({ type }) => type === 'submit')]) }];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [url, ...flags] = process.argv.slice(2);
  const flag = (name) => (flags.includes(name) ? flags[flags.indexOf(name) + 1] : undefined);
  const person = new Person({ user: flag('--user'), decision: flags.includes('--deny') ? 'deny' : undefined });
  const entry = { url };
  try {
    const end = await person.visit(url);
    Object.assign(entry, { end: String(end.url), status: end.status, page: end.page });
  } catch (error) {
    entry.error = String(error);
  }
  entry.hops = person.hops;
  if (flag('--journal')) appendFileSync(flag('--journal'), `${JSON.stringify(entry)}\n`);
  console.log(JSON.stringify(entry));
  process.exitCode = entry.error ? 1 : 0;
}
