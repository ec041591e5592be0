// The official Python SDK, `mcp`. The driver itself is Python; each line that it prints is one check.

import path from 'node:path';
import { createInterface } from 'node:readline';
import { HERE, PYTHON } from '../lib/trial.mjs';

export async function drive(trial) {
  const server = await trial.server({ DCR_ACCESS_TOKEN_TTL: '2' });
  const client = trial.start(PYTHON, [path.join(HERE, 'drivers/python_sdk.py'), server.url], {
    env: { PERSON: path.join(HERE, 'lib/person.mjs'), NODE: process.execPath, PYTHONUNBUFFERED: '1' },
  });
  let checks = 0;
  createInterface({ input: client.child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const { what, ok, note } = JSON.parse(line);
    checks += 1;
    trial.report(what, ok ? 'passed' : 'failed', note);
  });
  const code = await client.ended;
  if (code !== 0 || checks === 0) trial.report('the driver ran to its end', 'failed', `${code}: ${client.stderr.slice(-1_500)}`);
}
