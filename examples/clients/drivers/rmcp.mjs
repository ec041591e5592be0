// The official Rust SDK: `examples/e2e/examples/rmcp_client.rs`.

import { lives } from '../lib/life.mjs';
import { Driver } from '../lib/program.mjs';

const CODEX = 'https://chatgpt.com/oauth/codex/client.json';
const open = (...args) => (trial, site) => new Driver(trial, process.env.RMCP_CLIENT, [site.url, ...args]);

export const runs = [
  lives({ name: 'Rust SDK (rmcp)', open: open() }),
  lives({ name: 'Rust SDK (rmcp), document', document: CODEX, env: { DCR_CIMD: 'on' }, open: open(CODEX) }),
];
