// Codex.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { host, well } from '../lib/host.mjs';
import { lives } from '../lib/life.mjs';
import { binary } from '../lib/trial.mjs';

const open = host(async (trial, site, model) => {
  const home = trial.folder('codex');
  const env = { ...trial.desktop().env, CODEX_HOME: home };
  writeFileSync(
    path.join(home, 'config.toml'),
    `model = "scripted"
model_provider = "local"
mcp_oauth_credentials_store = "file"

[model_providers.local]
name = "local"
base_url = "${model.base}/v1"
wire_api = "responses"
`,
  );
  const codex = (...args) => {
    const program = trial.start(binary('codex'), args, { env, cwd: home });
    program.child.stdin.end();
    return trial.ending(program, 80_000);
  };
  let added = false;
  let client = [];
  return {
    how: '`codex mcp login`',
    login: async () => {
      const args = added ? ['login', 'example'] : ['add', 'example', '--url', site.url, ...client];
      added = true;
      return well(trial, `codex mcp ${args[0]}`, codex('mcp', ...args));
    },
    prompt: () => codex('exec', '--skip-git-repo-check', 'Who am I?'),
    // It registers at every login, whatever it keeps; this is its way to be told an id.
    plant: async (id) => {
      await well(trial, 'codex mcp remove', codex('mcp', 'remove', 'example'));
      added = false;
      client = ['--oauth-client-id', id];
    },
  };
});

export const runs = [
  lives({ name: 'Codex', env: { DCR_CIMD: 'off' }, open }),
  lives({ name: 'Codex, document', document: 'https://chatgpt.com/oauth/codex/client.json', env: { DCR_CIMD: 'on' }, open }),
];
