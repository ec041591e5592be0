// What went over the wire between a client and the server: a loopback proxy in front of the server, which keeps a record
// and passes everything on unchanged. The address stays while the server behind it is replaced.

import http from 'node:http';
import { assert, equal } from './trial.mjs';

const KEPT = 64 * 1024;

export class Wire {
  #log = [];

  constructor(trial) {
    this.server = http.createServer((request, response) => this.#pass(request, response));
    trial.onEnd(() => new Promise((resolve) => (this.server.closeAllConnections(), this.server.close(resolve))));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${this.server.address().port}`;
  }

  /** Where requests go from now on. */
  to(port) {
    this.port = port;
  }

  mark() {
    return this.#log.length;
  }

  /** What came since `mark`. */
  since(mark) {
    return new Seen(this.#log.slice(mark));
  }

  #pass(request, response) {
    const url = new URL(request.url, this.base);
    const entry = { method: request.method, path: url.pathname, query: url.searchParams, status: 0, sent: '', got: '' };
    this.#log.push(entry);
    const { method, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port: this.port, method, path: request.url, headers, agent: false }, (answer) => {
      entry.status = answer.statusCode;
      answer.on('data', (data) => {
        if (entry.got.length < KEPT) entry.got += data;
      });
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
      // A stream that the server ends early must end early for the client, too.
      answer.on('aborted', () => response.destroy());
      response.on('close', () => onward.destroy());
    });
    onward.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    request.on('data', (data) => {
      if (entry.sent.length < KEPT) entry.sent += data;
    });
    request.pipe(onward);
  }
}

/** A stretch of the record, and what to ask of it. */
class Seen {
  constructor(log) {
    this.log = log;
  }

  #token(grant) {
    return this.log.filter(({ method, path, sent }) => method === 'POST' && /\/token$/.test(path) && sent.includes(`grant_type=${grant}`));
  }

  /** Documents that were answered with 200. */
  documents(name) {
    return this.log.filter(({ method, path, status }) => method === 'GET' && status === 200 && path.includes(`/.well-known/${name}`)).length;
  }

  registrations() {
    return this.log
      .filter(({ method, path, status }) => method === 'POST' && /\/register$/.test(path) && status === 201)
      .map(({ got }) => JSON.parse(got));
  }

  /** The ids in requests for a consent page. */
  presented() {
    const pages = this.log.filter(({ method, path, status }) => method === 'GET' && /\/authorize$/.test(path) && status === 200);
    return pages.map(({ query }) => query.get('client_id'));
  }

  approvals() {
    return this.log.filter(({ method, path, status }) => method === 'POST' && /\/consent$/.test(path) && status >= 300 && status < 400).length;
  }

  codes() {
    return this.#token('authorization_code').filter(({ status }) => status === 200).length;
  }

  refreshes() {
    return this.#token('refresh_token').filter(({ status }) => status === 200).length;
  }

  /** How a client was told that what it keeps is no longer any good. */
  refusals() {
    const said = (entry) => {
      try {
        return `${entry.status} ${JSON.parse(entry.got).error}`;
      } catch {
        return `${entry.status}`;
      }
    };
    const refused = ['refresh_token', 'authorization_code'].flatMap((grant) => this.#token(grant).filter(({ status }) => status >= 400));
    const told = refused.map((entry) => `${said(entry)} at the token endpoint`);
    if (this.log.some(({ path, status }) => path === '/mcp' && status === 401)) told.push('401 at /mcp');
    return [...new Set(told)];
  }

  calls(tool) {
    return this.log.filter(({ path, status, sent }) => path === '/mcp' && status === 200 && sent.includes('"tools/call"') && sent.includes(`"${tool}"`)).length;
  }

  toString() {
    const line = ({ method, path, status, sent }) => {
      const more = /grant_type=\w+/.exec(sent)?.[0] ?? /"method":"([^"]+)"/.exec(sent)?.[1] ?? '';
      return `${method} ${path} ${more} ${status}`.replaceAll(/ +/g, ' ');
    };
    return this.log.map(line).join(', ');
  }

  one(count, what) {
    equal(count, 1, `${what} (${this})`);
  }

  some(count, what) {
    assert(count > 0, `no ${what}: ${this}`);
  }
}
