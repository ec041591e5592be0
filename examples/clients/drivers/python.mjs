// Clients in Python: the official SDK, 2.x and 1.x, FastMCP's client, and Authlib.

import path from 'node:path';
import { lives } from '../lib/life.mjs';
import { Driver } from '../lib/program.mjs';
import { HERE, python } from '../lib/trial.mjs';

const CODE = 'https://claude.ai/oauth/claude-code-client-metadata';

const open = (environment, script, ...args) => (trial, site) =>
  new Driver(trial, python(environment), [path.join(HERE, 'drivers/python', script), site.url, ...args], {
    env: { ...trial.desktop().env, PYTHONUNBUFFERED: '1' },
  });
const sdk = (environment, metadata = {}, ...document) => open(environment, 'sdk.py', JSON.stringify(metadata), ...document);
const secret = (method) => ({ token_endpoint_auth_method: method });

export const runs = [
  lives({ name: 'Python SDK 2.x', open: sdk('python') }),
  lives({ name: 'Python SDK 2.x, client_secret_post', open: sdk('python', secret('client_secret_post')) }),
  lives({ name: 'Python SDK 2.x, client_secret_basic', open: sdk('python', secret('client_secret_basic')) }),
  lives({ name: 'Python SDK 2.x, document', document: CODE, env: { DCR_CIMD: 'on' }, open: sdk('python', {}, CODE) }),
  lives({ name: 'Python SDK 1.x', open: sdk('python-1') }),
  lives({ name: 'FastMCP client', open: open('python', 'fastmcp_client.py') }),
  lives({ name: 'Authlib', open: open('python', 'authlib_client.py') }),
];
