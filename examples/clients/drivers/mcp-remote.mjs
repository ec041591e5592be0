// `mcp-remote`: the command-line client, and the stdio proxy that desktop applications use.

import { createInterface } from 'node:readline';
import { readdirSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { assert, binary, equal, freePort, sleep, until } from '../lib/trial.mjs';

/** A file of mcp-remote's state, wherever below its folder it is. */
function kept(folder, suffix) {
  const name = readdirSync(folder, { recursive: true }).find((file) => file.endsWith(suffix));
  return name && path.join(folder, name);
}
const read = (folder, suffix) => JSON.parse(readFileSync(kept(folder, suffix), 'utf8'));

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

  async ask(method, params = {}, ms = 30_000) {
    const id = this.#next++;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    const late = sleep(ms).then(() => {
      throw new Error(`no answer to ${method}: ${this.program.stderr.slice(-800)}`);
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

export async function drive(trial) {
  await trial.step('mcp-remote-client signs in and lists tools', async () => {
    const server = await trial.server();
    const desktop = trial.desktop();
    const env = { ...desktop.env, MCP_REMOTE_CONFIG_DIR: trial.folder('client') };
    const client = trial.start(binary('mcp-remote-client'), [server.url, '--allow-http'], { env });
    await until('the tools', () => {
      assert(client.code === undefined, `ended with ${client.code}: ${client.stderr.slice(-800)}`);
      return /whoami/.test(client.stdout + client.stderr);
    }, 40_000).catch((error) => {
      throw new Error(`${error.message}; ${JSON.stringify(desktop.visits())}; ${client.stderr.slice(-800)}`);
    });
    equal(desktop.visits().length, 1, 'sign-ins');
    await client.stop();
    await server.stop();
  });

  const port = await freePort();
  const bind = { DCR_BIND: `127.0.0.1:${port}`, DCR_ACCESS_TOKEN_TTL: '2' };
  let server = await trial.server(bind);
  const desktop = trial.desktop();
  const state = trial.folder('proxy');
  const env = { ...desktop.env, MCP_REMOTE_CONFIG_DIR: state };
  const signedIn = (times) => equal(desktop.visits().length, times, 'sign-ins so far');

  let proxy = new Proxy(trial, server.url, env);
  const me = await trial.step('the proxy signs in and calls whoami', async () => {
    await proxy.initialize();
    const { tools } = await proxy.ask('tools/list');
    equal(tools.map((tool) => tool.name).sort().join(), 'add,whoami', 'tools');
    const me = await proxy.whoami();
    equal(me.email, 'ada@dev.example', 'email');
    equal(me.client_id, read(state, 'client_info.json').client_id, 'client_id');
    signedIn(1);
    return me;
  });
  await trial.check('the proxy refreshes and calls again', async () => {
    const before = read(state, 'tokens.json');
    await sleep(3_000);
    equal(JSON.stringify(await proxy.whoami()), JSON.stringify(me), 'whoami');
    const after = read(state, 'tokens.json');
    assert(after.access_token !== before.access_token, 'the access token is still the old one');
    assert(after.refresh_token !== before.refresh_token, 'the refresh token was not rotated');
    signedIn(1);
  });
  await trial.check('a restart of the server ends nothing', async () => {
    const { cwd } = server;
    await server.stop();
    server = await trial.server(bind, { cwd });
    await sleep(2_000);
    await proxy.program.stop();
    proxy = new Proxy(trial, server.url, env);
    await proxy.initialize();
    equal((await proxy.whoami()).session, me.session, 'session');
    signedIn(1);
  });

  // What a reset of the server does to a client that kept its registration.
  const reset = async () => {
    await proxy.program.stop();
    await server.stop();
    for (const name of readdirSync(server.cwd)) rmSync(path.join(server.cwd, name), { recursive: true });
    server = await trial.server(bind, { cwd: server.cwd });
  };
  await trial.check('after the database and its secret are lost, the kept id signs in unchanged', async () => {
    const { client_id: old } = read(state, 'client_info.json');
    await reset();
    unlinkSync(kept(state, 'tokens.json'));
    proxy = new Proxy(trial, server.url, env);
    await proxy.initialize();
    const now = await proxy.whoami();
    equal(now.client_id, old, 'client_id');
    equal(read(state, 'client_info.json').client_id, old, 'the id that the client keeps');
    signedIn(2);
  });
  await trial.check('after another loss, tokens and all, the client recovers by itself', async () => {
    await reset();
    proxy = new Proxy(trial, server.url, env);
    await proxy.initialize();
    equal((await proxy.whoami()).email, 'ada@dev.example', 'email');
    signedIn(3);
  });
  await proxy.program.stop();
}
