// Runs the drivers one after the other and prints what came of each check.

import { Stopped, Trial } from './lib/trial.mjs';

const DRIVERS = ['python-sdk', 'mcp-remote', 'inspector', 'oauth4webapi', 'chromium', 'pages'];
const LIMIT_MS = 10 * 60_000;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !DRIVERS.includes(name));
if (unknown.length > 0) {
  console.error(`no such client: ${unknown.join(', ')}; there are ${DRIVERS.join(', ')}`);
  process.exit(2);
}

console.log('client | what | result\n--- | --- | ---');
let running;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    console.log(`stopped by ${signal}`);
    await running?.end();
    process.exit(1);
  });
}
const count = { passed: 0, failed: 0, skipped: 0 };
for (const name of wanted.length > 0 ? wanted : DRIVERS) {
  const trial = new Trial(name, (what, result, why) => {
    count[result] += 1;
    const word = { passed: 'ok', failed: 'FAILED', skipped: 'skipped' }[result];
    console.log(`${name} | ${what} | ${word}${why ? `: ${why.replaceAll(/\s+/g, ' ').slice(0, 600)}` : ''}`);
  });
  running = trial;
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS / 60_000} minutes`)), LIMIT_MS);
  });
  try {
    const { drive } = await import(`./drivers/${name}.mjs`);
    await Promise.race([drive(trial), limit]);
  } catch (error) {
    // A step that failed has said so already.
    if (!(error instanceof Stopped)) trial.report('the whole run', 'failed', String(error?.stack ?? error));
  } finally {
    clearTimeout(timer);
    await trial.end();
  }
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed > 0 ? 1 : 0);
