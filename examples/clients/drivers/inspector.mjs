// MCP Inspector's command line. It opens a browser by itself; our stand-in for the desktop is that browser.

import { assert, binary, equal, sleep } from '../lib/trial.mjs';

export async function drive(trial) {
  const server = await trial.server({ DCR_ACCESS_TOKEN_TTL: '2' });
  const desktop = trial.desktop();
  const env = {
    ...desktop.env,
    MCP_AUTO_OPEN_ENABLED: 'true',
    MCP_STORAGE_DIR: trial.folder('storage'),
    MCP_INSPECTOR_SECRET_STORE: 'file', // without it tokens live in the desktop's keyring, or are lost on exit
  };
  const inspect = async (...args) => {
    const program = await trial.run(binary('mcp-inspector'), ['--cli', server.url, '--transport', 'http', ...args], { env });
    const visits = JSON.stringify(desktop.visits().map(({ page, ...visit }) => visit));
    assert(program.code === 0, `exit ${program.code}: ${program.stderr.slice(-600)} ${program.stdout.slice(-300)} ${visits}`);
    return program.stdout;
  };
  const whoami = async (...args) => {
    const out = await inspect('--method', 'tools/call', '--tool-name', 'whoami', ...args);
    return JSON.parse(JSON.parse(out.slice(out.indexOf('{'))).content[0].text);
  };

  await trial.step('registers, signs in and lists tools', async () => {
    const out = await inspect('--method', 'tools/list');
    assert(/"whoami"/.test(out) && /"add"/.test(out), out);
    equal(desktop.visits().length, 1, 'sign-ins');
  });
  await sleep(3_000);
  let me;
  await trial.check('calls whoami with what it kept, the access token having lapsed', async () => {
    me = await whoami();
    equal(me.email, 'ada@dev.example', 'email');
    const sent = new URL(desktop.visits()[0].url).searchParams;
    equal(me.client_id, sent.get('client_id'), 'client_id');
    return desktop.visits().length === 1 ? 'by a refresh' : `by another sign-in (${desktop.visits().length})`;
  });
  await trial.check('refreshes instead of signing in again', async () => {
    await sleep(3_000);
    const before = desktop.visits().length;
    const again = await whoami();
    equal(desktop.visits().length, before, 'sign-ins');
    equal(again.session, me.session, 'session');
  });
  await trial.check('protocol of 2026-07-28', async () => {
    const again = await whoami('--protocol-era', 'modern');
    equal(again.email, 'ada@dev.example', 'email');
  });
}
