// A server as its operator runs it: a database file, a secret of its own, company logins at an OpenID Connect provider
// that is not ours, and the `dcr` command beside it. In front of it is the wire that keeps the record.

import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { HERE, assert, equal, freePort, sleep, until } from './trial.mjs';
import { Wire } from './wire.mjs';

/** How long access tokens live here, in seconds. */
export const TOKEN_LIFE = 3;

const newSecret = () => randomBytes(32).toString('base64');

export class Site {
  #trial;
  #env;
  #upstream;
  #secret = newSecret();
  #server;

  constructor(trial, env = {}) {
    this.#trial = trial;
    this.#env = env;
    this.wire = new Wire(trial);
  }

  static async open(trial, env) {
    const site = new Site(trial, env);
    await site.wire.listen();
    site.base = site.wire.base;
    site.url = `${site.base}/mcp`;
    site.cwd = trial.folder('server');
    site.#upstream = await site.#provider();
    await site.#start();
    return site;
  }

  /** A provider that was told the server's one callback, as an administrator does. */
  async #provider() {
    const program = this.#trial.start(process.execPath, [path.join(HERE, 'lib/upstream.mjs'), `${this.base}/oauth/callback`]);
    return until('the provider to start', () => {
      assert(program.code === undefined, `the provider ended with ${program.code}: ${program.stderr}`);
      const line = program.stdout.split('\n').find((text) => text.startsWith('{'));
      return line && JSON.parse(line).env;
    });
  }

  async #start() {
    const port = await freePort();
    const bind = { DCR_BIND: `127.0.0.1:${port}`, DCR_PUBLIC_URL: this.base, DCR_DATABASE_URL: 'sqlite://dcr.db', DCR_SECRET: this.#secret };
    const life = { DCR_ACCESS_TOKEN_TTL: String(TOKEN_LIFE) };
    this.#server = await this.#trial.server({ ...this.#upstream, ...bind, ...life, ...this.#env }, { cwd: this.cwd });
    this.wire.to(port);
  }

  /** Until every access token that there is has lapsed. */
  async lapse() {
    await sleep(TOKEN_LIFE * 1_000 + 500);
  }

  /** The disk is gone, the secret is in the operator's safe; or not. */
  async lose({ secret }) {
    await this.#server.stop();
    for (const name of readdirSync(this.cwd)) rmSync(path.join(this.cwd, name), { recursive: true });
    if (secret) this.#secret = newSecret();
    await this.#start();
  }

  /** The operator ends something: `revoke('session', 'ses_…')`. */
  async revoke(...what) {
    await this.dcr('revoke', ...what, '--yes');
  }

  /** The operator's command, on the server's database; what it printed. */
  async dcr(...what) {
    const done = await this.#trial.run(process.env.DCR, what, { cwd: this.cwd, env: { DCR_DATABASE_URL: 'sqlite://dcr.db' } });
    equal(done.code, 0, `dcr ${what.join(' ')}: ${done.stderr} ${done.stdout}`);
    return done.stdout.trim();
  }
}
