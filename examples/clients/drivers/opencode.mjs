// OpenCode. It registers even where the server takes metadata documents: measured with 1.18.33.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { host, well } from '../lib/host.mjs';
import { lives } from '../lib/life.mjs';
import { freePort, inside } from '../lib/trial.mjs';

const OPENCODE = inside('opencode-linux-x64-baseline/bin/opencode');

const open = host(async (trial, site, model) => {
  const desktop = trial.desktop();
  const cwd = trial.folder('work');
  const callbackPort = await freePort(); // its own is one for all
  const configure = (oauth) => {
    const options = { baseURL: `${model.base}/v1`, apiKey: 'nobody' };
    const config = {
      model: 'local/scripted',
      small_model: 'local/scripted',
      autoupdate: false,
      share: 'disabled',
      provider: { local: { npm: '@ai-sdk/openai-compatible', options, models: { scripted: { tool_call: true } } } },
      mcp: { example: { type: 'remote', url: site.url, oauth: { callbackPort, ...oauth } } },
    };
    writeFileSync(path.join(cwd, 'opencode.json'), JSON.stringify(config));
  };
  configure();
  const env = {
    ...desktop.env,
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  };
  const opencode = (...args) => {
    const program = trial.start(OPENCODE, args, { env, cwd });
    program.child.stdin.end();
    return trial.ending(program, 80_000);
  };
  return {
    how: '`opencode mcp auth`',
    login: () => well(trial, 'opencode mcp auth', opencode('mcp', 'auth', 'example')),
    prompt: () => opencode('run', '--auto', 'Who am I?'),
    // Its own way to be told an id.
    plant: async (id) => {
      await well(trial, 'opencode mcp logout', opencode('mcp', 'logout', 'example'));
      configure({ clientId: id });
    },
  };
});

export const runs = [lives({ name: 'OpenCode', slow: true, env: { DCR_CIMD: 'on' }, open })];
