// OpenCode.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { host, well } from '../lib/host.mjs';
import { lives } from '../lib/life.mjs';
import { inside } from '../lib/trial.mjs';

const OPENCODE = inside('opencode-linux-x64-baseline/bin/opencode');

const open = host(async (trial, site, model) => {
  const desktop = trial.desktop();
  const cwd = trial.folder('work');
  const config = {
    model: 'local/scripted',
    small_model: 'local/scripted',
    autoupdate: false,
    share: 'disabled',
    provider: {
      local: { npm: '@ai-sdk/openai-compatible', options: { baseURL: `${model.base}/v1`, apiKey: 'nobody' }, models: { scripted: { tool_call: true } } },
    },
    mcp: { example: { type: 'remote', url: site.url } },
  };
  writeFileSync(path.join(cwd, 'opencode.json'), JSON.stringify(config));
  const env = { ...desktop.env, XDG_DATA_HOME: path.join(desktop.home, 'data'), OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' };
  const opencode = (...args) => {
    const program = trial.start(OPENCODE, args, { env, cwd });
    program.child.stdin.end();
    return trial.ending(program, 80_000);
  };
  return {
    how: '`opencode mcp auth`',
    login: () => well(trial, 'opencode mcp auth', opencode('mcp', 'auth', 'example')),
    prompt: () => opencode('run', '--auto', 'Who am I?'),
    plant: async (id) => {
      const file = path.join(desktop.home, 'data/opencode/mcp-auth.json');
      const kept = JSON.parse(readFileSync(file, 'utf8'));
      for (const entry of Object.values(kept)) {
        entry.clientInfo = { ...entry.clientInfo, clientId: id };
        delete entry.tokens;
      }
      writeFileSync(file, JSON.stringify(kept));
    },
  };
});

export const runs = [
  lives({ name: 'OpenCode', env: { DCR_CIMD: 'off' }, open }),
  lives({ name: 'OpenCode, document', document: 'https://opencode.ai/oauth/opencode/client.json', env: { DCR_CIMD: 'on' }, open }),
];
