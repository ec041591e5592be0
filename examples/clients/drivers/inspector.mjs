// MCP Inspector's command line. It opens a browser by itself; our stand-in for the desktop is that browser.

import { lives } from '../lib/life.mjs';
import { assert, binary, freePort } from '../lib/trial.mjs';

const VSCODE = 'https://vscode.dev/oauth/client-metadata.json';

const open = ({ path = '/oauth/callback', flags = [] } = {}) => async (trial, site) => {
  const desktop = trial.desktop();
  const callback = `http://127.0.0.1:${await freePort()}${path}`;
  let storage = trial.folder('storage');
  let client = flags;
  return {
    whoami: async () => {
      const call = ['--cli', site.url, '--transport', 'http', '--method', 'tools/call', '--tool-name', 'whoami', '--callback-url', callback];
      const env = {
        ...desktop.env,
        MCP_AUTO_OPEN_ENABLED: 'true',
        MCP_STORAGE_DIR: storage,
        MCP_INSPECTOR_SECRET_STORE: 'file', // without it tokens live in the desktop's keyring, or are lost on exit
      };
      const { code, stdout, stderr } = await trial.run(binary('mcp-inspector'), [...call, ...client], { env });
      assert(code === 0, `exit ${code}: ${stderr.slice(-600)} ${stdout.slice(-300)}`);
      return JSON.parse(JSON.parse(stdout.slice(stdout.indexOf('{'))).content[0].text);
    },
    // Its own way to be told an id; another storage, where nothing else is kept.
    plant: (id) => {
      storage = trial.folder('another');
      client = ['--client-id', id];
    },
  };
};

export const runs = [
  lives({ name: 'Inspector', open: open() }),
  lives({ name: 'Inspector, 2026-07-28', open: open({ flags: ['--protocol-era', 'modern'] }) }),
  lives({ name: 'Inspector, document', document: VSCODE, env: { DCR_CIMD: 'on' }, open: open({ path: '/', flags: ['--client-metadata-url', VSCODE] }) }),
];
