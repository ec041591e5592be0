// Where a program on the person's own computer waits for the browser, and the person who drives that browser.

import http from 'node:http';
import { Person, textOf } from './person.mjs';
import { assert } from './trial.mjs';

/** A listener at `http://{host}:{port}{path}`, for one trial. */
export class Loopback {
  #waiting = [];

  constructor({ host = '127.0.0.1', path = '/callback' } = {}) {
    Object.assign(this, { host, path });
    this.server = http.createServer((request, response) => {
      response.end('back at the app');
      const url = new URL(request.url, this.redirect);
      if (url.pathname === path) this.#waiting.shift()?.(url);
    });
  }

  static async open(trial, options) {
    const loopback = new Loopback(options);
    await new Promise((resolve, reject) => loopback.server.listen(0, loopback.host, resolve).on('error', reject));
    loopback.redirect = `http://${loopback.host}:${loopback.server.address().port}${loopback.path}`;
    trial.onEnd(() => new Promise((resolve) => (loopback.server.closeAllConnections(), loopback.server.close(resolve))));
    return loopback;
  }

  /** A person follows `url`; answers the URL that the browser came back with. */
  async signIn(url, options) {
    const back = new Promise((resolve) => this.#waiting.push(resolve));
    const end = await new Person(options).visit(url);
    assert(end.url.href.startsWith(this.redirect), `the browser ended at ${end.url.origin}${end.url.pathname}: ${textOf(end.page)}`);
    return back;
  }
}
