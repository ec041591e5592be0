// Claude Code.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { host, well } from '../lib/host.mjs';
import { lives } from '../lib/life.mjs';
import { inside } from '../lib/trial.mjs';

const CLAUDE = inside('@anthropic-ai/claude-code-linux-x64/claude');

const open = host(async (trial, site, model) => {
  const desktop = trial.desktop();
  const cwd = trial.folder('work');
  const env = {
    ...desktop.env,
    ANTHROPIC_BASE_URL: model.base,
    ANTHROPIC_API_KEY: 'nobody',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    ENABLE_TOOL_SEARCH: 'false', // the tools themselves, not a way to look for them
    // However slow the machine: first the servers, then the model.
    MCP_CONNECTION_NONBLOCKING: 'false',
    MCP_CONNECT_TIMEOUT_MS: '30000',
    CLAUDE_CODE_MCP_STARTUP_WAIT_MS: '30000',
    MCP_TIMEOUT: '30000',
  };
  const claude = (...args) => {
    const program = trial.start(CLAUDE, args, { env, cwd });
    program.child.stdin.end();
    return trial.ending(program, 80_000);
  };
  await well(trial, 'claude mcp add', claude('mcp', 'add', '--transport', 'http', 'example', site.url));
  return {
    how: '`claude mcp login`',
    // It wants a terminal.
    login: () => well(trial, 'claude mcp login', trial.run('script', ['-qec', `"${CLAUDE}" mcp login example`, '/dev/null'], { env, cwd, ms: 60_000 })),
    prompt: () => claude('-p', 'Who am I?', '--allowedTools', 'mcp__example__whoami'),
    plant: async (id) => {
      const file = path.join(desktop.home, '.claude/.credentials.json');
      const kept = JSON.parse(readFileSync(file, 'utf8'));
      for (const entry of Object.values(kept.mcpOAuth)) {
        Object.assign(entry, { clientId: id, accessToken: '', expiresAt: 0 });
        delete entry.refreshToken;
      }
      writeFileSync(file, JSON.stringify(kept));
    },
  };
});

export const runs = [
  lives({ name: 'Claude Code', env: { DCR_CIMD: 'off' }, open }),
  lives({ name: 'Claude Code, document', document: 'https://claude.ai/oauth/claude-code-client-metadata', env: { DCR_CIMD: 'on' }, open }),
];
