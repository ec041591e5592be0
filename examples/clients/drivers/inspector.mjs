// MCP Inspector's command line. It opens a browser by itself; our stand-in for the desktop is that browser.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lives } from '../lib/life.mjs';
import { assert, binary } from '../lib/trial.mjs';

const VSCODE = 'https://vscode.dev/oauth/client-metadata.json';

const open = (...flags) => async (trial, site) => {
  const desktop = trial.desktop();
  const storage = trial.folder('storage');
  const env = {
    ...desktop.env,
    MCP_AUTO_OPEN_ENABLED: 'true',
    MCP_STORAGE_DIR: storage,
    MCP_INSPECTOR_SECRET_STORE: 'file', // without it tokens live in the desktop's keyring, or are lost on exit
  };
  return {
    whoami: async () => {
      const call = ['--cli', site.url, '--transport', 'http', '--method', 'tools/call', '--tool-name', 'whoami'];
      const { code, stdout, stderr } = await trial.run(binary('mcp-inspector'), [...call, ...flags], { env });
      assert(code === 0, `exit ${code}: ${stderr.slice(-600)} ${stdout.slice(-300)}`);
      return JSON.parse(JSON.parse(stdout.slice(stdout.indexOf('{'))).content[0].text);
    },
    storage,
  };
};

export const runs = [
  lives({ name: 'Inspector', open: open() }),
  lives({ name: 'Inspector, 2026-07-28', open: open('--protocol-era', 'modern') }),
];
