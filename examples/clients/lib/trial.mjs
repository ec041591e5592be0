// One client against servers of its own: checks to report, processes and files to clean up.

import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** No check takes longer. */
const CHECK_MS = 90_000;

/** What may be set for servers and hosts of the person who runs this, and is not for ours. */
const OTHERS = /^(DCR|ANTHROPIC|CLAUDE|CODEX|OPENAI|OPENCODE|MCP)_|^CLAUDECODE$/;

/** The release binaries of both example servers. */
export const SERVERS = { axum: process.env.AXUM_SERVER, warp: process.env.WARP_SERVER };

export const HERE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const WORK = path.join(HERE, '.work');
/** The interpreter of one of the Python environments. */
export const python = (environment) => path.join(WORK, environment, 'bin/python');
const npm = createRequire(path.join(WORK, 'npm/'));

/** Loads an installed npm package, whatever its kind of module. */
export const load = (name) => import(pathToFileURL(npm.resolve(name)));
export const fileOf = (name) => npm.resolve(name);
export const binary = (name) => path.join(WORK, 'npm/node_modules/.bin', name);
/** A program inside an npm package. */
export const inside = (file) => path.join(WORK, 'npm/node_modules', file);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A step failed that the rest needs. */
export class Stopped extends Error {}

export function assert(holds, text) {
  if (!holds) throw new Error(text);
}

export function equal(got, wanted, what) {
  assert(got === wanted, `${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`);
}

/** Waits until `look` answers something. */
export async function until(what, look, ms = 15_000) {
  for (const end = Date.now() + ms; ; ) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms / 1000} s in vain for ${what}`);
    await sleep(50);
  }
}

/** A port that nobody listens on, below those that the system gives to whoever asks for any: it stays free for a while. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const listens = await new Promise((resolve) => probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)));
    if (!listens) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

export class Trial {
  #cleanups = [];

  /** `framework`: which example server. `report(what, result, why)` is told what came of each check. */
  constructor(name, framework, report) {
    this.name = name;
    this.framework = framework;
    this.report = report;
    this.dir = mkdtempSync(path.join(tmpdir(), `dcr-${name.replaceAll(/[^\w.]+/g, '-')}-`));
    this.#cleanups.push(() => rmSync(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  }

  /** Does something that must not take for ever. */
  async within(act, ms = CHECK_MS) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms);
    });
    try {
      return await Promise.race([act(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A check that others do not need. */
  async check(what, act) {
    try {
      const note = await this.within(async () => act());
      this.report(what, 'passed', typeof note === 'string' ? note : '');
      return true;
    } catch (error) {
      if (error instanceof Stopped) throw error;
      if (process.env.DEBUG) console.error(error);
      this.report(what, 'failed', String(error?.message ?? error));
      return false;
    }
  }

  /** A check without which the rest makes no sense. */
  async step(what, act) {
    let value;
    const passed = await this.check(what, async () => {
      value = await act();
      return value?.note ?? '';
    });
    if (!passed) throw new Stopped(what);
    return value;
  }

  skip(what, why) {
    this.report(what, 'skipped', why);
  }

  onEnd(cleanup) {
    this.#cleanups.push(cleanup);
  }

  async end() {
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        console.error(`clean-up of ${this.name}: ${error}`);
      }
    }
  }

  /** A new directory inside that of this trial. */
  folder(name) {
    const folder = path.join(this.dir, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Starts a program that ends with this trial, and keeps what it prints. */
  start(command, args, { env = {}, cwd = this.dir } = {}) {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OTHERS.test(name)));
    const child = spawn(command, args, { cwd, env: { ...inherited, PWD: cwd, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const program = { child, stdout: '', stderr: '', code: undefined };
    child.stdout.on('data', (data) => (program.stdout += data));
    child.stderr.on('data', (data) => (program.stderr += data));
    child.stdin.on('error', () => {});
    program.ended = new Promise((resolve) => {
      child.on('error', (error) => {
        program.code = -1;
        program.stderr += String(error);
        resolve(-1);
      });
      child.on('close', (code, signal) => {
        program.code = code ?? signal;
        resolve(program.code);
      });
    });
    program.stop = async (signal = 'SIGTERM') => {
      if (program.code === undefined) child.kill(signal);
      const hard = setTimeout(() => child.kill('SIGKILL'), 8_000);
      await program.ended;
      clearTimeout(hard);
      return program.code;
    };
    this.onEnd(() => program.stop());
    return program;
  }

  /** Runs a program to its end. */
  async run(command, args, { ms = 60_000, ...options } = {}) {
    return this.ending(this.start(command, args, options), ms);
  }

  /** The program when it has ended, by itself or because its time is up. */
  async ending(program, ms) {
    const timer = setTimeout(() => program.stop('SIGKILL'), ms);
    await program.ended;
    clearTimeout(timer);
    return program;
  }

  /** A fresh server with a database of its own. */
  async server(env = {}, { cwd = mkdtempSync(path.join(this.dir, 'server-')) } = {}) {
    const program = this.start(SERVERS[this.framework], [], {
      cwd,
      env: { DCR_BIND: '127.0.0.1:0', DCR_DEV_IDP_BIND: '127.0.0.1:0', DCR_LOG: 'debug', ...env },
    });
    const url = await until('the server to start', () => {
      assert(program.code === undefined, `the server ended with ${program.code}: ${program.stderr}`);
      return /^ {4}(https?:\/\/\S+)$/m.exec(program.stdout)?.[1] && /Stop:/.test(program.stdout)
        ? /^ {4}(https?:\/\/\S+)$/m.exec(program.stdout)[1]
        : undefined;
    });
    return { ...program, program, url, base: new URL(url).origin, cwd, stop: program.stop, log: () => program.stderr };
  }

  /** The development provider as a process of its own. */
  async provider(env = {}) {
    const program = this.start(process.env.DEV_IDP, [], { env: { DCR_DEV_IDP_BIND: '127.0.0.1:0', ...env } });
    const line = (name) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(program.stdout)?.[1];
    await until('the provider to start', () => {
      assert(program.code === undefined, `the provider ended with ${program.code}: ${program.stderr}`);
      return /^user /m.test(program.stdout);
    });
    const origin = new URL(line('issuer')).origin;
    const tenant = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(line('like Entra ID'))[0];
    return {
      origin,
      /** What makes a server sign in here. */
      env: {
        DCR_AZURE_AUTHORITY: origin,
        DCR_AZURE_TENANT_ID: tenant,
        DCR_AZURE_CLIENT_ID: line('client id'),
        DCR_AZURE_CLIENT_SECRET: line('client secret'),
      },
    };
  }

  /**
   * A stand-in for the desktop: programs that open "the browser" get a person who signs in as `user`.
   * What that person met is in `visits()`.
   */
  desktop(user = 'ada') {
    const folder = this.folder('desktop');
    const journal = path.join(folder, 'journal');
    writeFileSync(journal, '');
    const opener = path.join(folder, 'xdg-open');
    const person = path.join(HERE, 'lib/person.mjs');
    writeFileSync(
      opener,
      `#!/bin/sh\n"${process.execPath}" "${person}" "$1" --user ${user} --journal "${journal}" >/dev/null 2>&1 &\n`,
    );
    chmodSync(opener, 0o755);
    const home = this.folder('home');
    const env = {
      BROWSER: opener,
      PATH: `${folder}:${process.env.PATH}`,
      DISPLAY: '',
      WAYLAND_DISPLAY: '',
      HOME: home,
      XDG_CACHE_HOME: path.join(home, '.cache'),
      XDG_CONFIG_HOME: path.join(home, '.config'),
      XDG_DATA_HOME: path.join(home, '.local/share'),
      XDG_STATE_HOME: path.join(home, '.local/state'),
    };
    const visits = () => readFileSync(journal, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
    return { env, home, visits, opener };
  }

  /** A self-signed certificate for these names, for one server and no authority: strict clients take it when it is trusted. */
  async certificate(...names) {
    const folder = this.folder('certificate');
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const subject = names.map((name) => `DNS:${name}`).join(',');
    await new Promise((resolve, reject) =>
      execFile(
        'openssl',
        `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -keyout ${key} -out ${cert} -addext subjectAltName=${subject} -addext basicConstraints=critical,CA:FALSE`.split(' '),
        (error, _, text) => (error ? reject(new Error(text)) : resolve()),
      ),
    );
    return { key: readFileSync(key), cert: readFileSync(cert) };
  }
}
