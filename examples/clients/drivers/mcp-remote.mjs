// `mcp-remote`: the command-line client, and the stdio proxy that desktop applications use.

import { createInterface } from 'node:readline';
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lives } from '../lib/life.mjs';
import { assert, binary, equal, sleep, until } from '../lib/trial.mjs';

/** A file of mcp-remote's state, wherever below its folder it is. */
function kept(folder, suffix) {
  const name = readdirSync(folder, { recursive: true }).find((file) => file.endsWith(suffix));
  return name && path.join(folder, name);
}

/** The proxy, spoken to as a desktop application does: JSON-RPC lines. */
class Proxy {
  #waiting = new Map();
  #next = 1;

  constructor(trial, url, env) {
    this.program = trial.start(binary('mcp-remote'), [url, '--allow-http'], { env });
    createInterface({ input: this.program.child.stdout }).on('line', (line) => {
      const message = JSON.parse(line);
      this.#waiting.get(message.id)?.(message);
    });
  }

  async ask(method, params = {}, ms = 15_000) {
    const id = this.#next++;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    const late = sleep(ms).then(() => {
      if (process.env.DEBUG) console.error(this.program.stderr);
      throw new Error(`no answer to ${method} in ${ms / 1000} s`);
    });
    const gone = this.program.ended.then((code) => {
      throw new Error(`mcp-remote ended with ${code} before it answered ${method}: ${this.program.stderr.slice(-800)}`);
    });
    late.catch(() => {});
    gone.catch(() => {});
    const { result, error } = await Promise.race([answer, late, gone]);
    assert(!error, `${method}: ${JSON.stringify(error)}`);
    return result;
  }

  #send(message) {
    this.program.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  async initialize() {
    const clientInfo = { name: 'desktop', version: '1' };
    await this.ask('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
    this.#send({ method: 'notifications/initialized' });
  }

  async whoami() {
    const { content } = await this.ask('tools/call', { name: 'whoami', arguments: {} });
    return JSON.parse(content[0].text);
  }
}

async function open(trial, site) {
  const desktop = trial.desktop();
  const state = trial.folder('mcp-remote');
  const env = { ...desktop.env, MCP_REMOTE_CONFIG_DIR: state };
  let proxy;
  const start = async () => {
    await proxy?.program.stop();
    proxy = new Proxy(trial, site.url, env);
    await proxy.initialize();
  };
  return {
    whoami: async () => {
      if (!proxy || proxy.program.code !== undefined) await start();
      return proxy.whoami();
    },
    again: { how: 'a restart of mcp-remote', act: start },
    plant: async (id) => {
      await proxy.program.stop();
      const file = kept(state, 'client_info.json');
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), client_id: id }));
      unlinkSync(kept(state, 'tokens.json'));
    },
    close: () => proxy?.program.stop(),
  };
}

/** The other program in the package: it signs in, lists what the server has, and ends. */
async function client(trial) {
  await trial.step('mcp-remote-client signs in and lists tools', async () => {
    const server = await trial.server();
    const desktop = trial.desktop();
    const env = { ...desktop.env, MCP_REMOTE_CONFIG_DIR: trial.folder('client') };
    const program = trial.start(binary('mcp-remote-client'), [server.url, '--allow-http'], { env });
    await until('the tools', () => {
      // It ends by itself when it is done, which may be before anybody looks.
      const listed = /whoami/.test(program.stdout + program.stderr);
      assert(listed || program.code === undefined, `ended with ${program.code}: ${program.stderr.slice(-800)}`);
      return listed;
    }, 40_000).catch((error) => {
      throw new Error(`${error.message}; ${JSON.stringify(desktop.visits())}; ${program.stderr.slice(-800)}`);
    });
    equal(desktop.visits().length, 1, 'sign-ins');
  });
}

export const runs = [lives({ name: 'mcp-remote', open }), { name: 'mcp-remote-client, our development login', drive: client }];
