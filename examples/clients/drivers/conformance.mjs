// The official conformance suite, in the mode that tests authorization servers, for every revision of the specification
// that it knows. It opens no browser: it prints a URL, and our person follows it.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Person } from '../lib/person.mjs';
import { Site } from '../lib/site.mjs';
import { assert, binary, equal, freePort, until } from '../lib/trial.mjs';

/** A check that is not run is not passed. */
const GOOD = 'SUCCESS';

function checksIn(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('checks.json'));
  return files.flatMap((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')));
}

async function revision(trial, site, version) {
  const port = await freePort();
  const response = await fetch(`${site.base}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Conformance suite',
      redirect_uris: [`http://127.0.0.1:${port}/callback`],
      token_endpoint_auth_method: 'none',
    }),
  });
  equal(response.status, 201, 'registration');
  const { client_id } = await response.json();
  const results = trial.folder(`results-${version}`);
  const options = { '--url': site.base, '--client-id': client_id, '--resource': site.url, '-p': port, '-o': results, '--spec-version': version };
  const suite = trial.start(binary('conformance'), ['authorization', ...Object.entries(options).flat().map(String)]);
  const told = () => `${suite.stdout.slice(-1_500)} ${suite.stderr.slice(-1_500)}`;
  const url = await until('the URL to follow', () => {
    const found = /https?:\/\/\S+\/authorize\?\S+/.exec(suite.stdout + suite.stderr);
    assert(found || suite.code === undefined, `it ended with ${suite.code}: ${told()}`);
    return found?.[0];
  }, 30_000);
  await new Person().visit(url);
  const code = await suite.ended;
  const checks = checksIn(results);
  const count = {};
  for (const { status } of checks) count[status] = (count[status] ?? 0) + 1;
  const bad = checks.filter(({ status }) => status !== GOOD).map(({ id, status, errorMessage }) => `${id} ${status} ${errorMessage ?? ''}`);
  assert(code === 0 && bad.length === 0 && checks.length > 1, `exit ${code}, ${bad.join('; ')} ${told()}`);
  return `${count[GOOD]} checks: ${checks.map(({ id }) => id).join(', ')}`;
}

async function drive(trial) {
  const list = await trial.run(binary('conformance'), ['list', '--authorization']);
  const versions = [...new Set(list.stdout.match(/\d{4}-\d\d-\d\d/g))];
  assert(versions.length > 0, `no revisions in ${list.stdout} ${list.stderr}`);
  const site = await Site.open(trial, { DCR_CIMD: 'on' });
  for (const version of versions) await trial.check(`authorization server, ${version}`, () => revision(trial, site, version));
}

export const runs = [{ name: 'conformance suite', drive }];
