// Pictures of the operator's console in a real Chromium: light and dark, English and Korean, wide and narrow, with and
// without JavaScript. Fails on what axe finds, on a complaint about the content security policy, and on a page that
// scrolls sideways.
//
//   NPM=…/node_modules node console-pictures.mjs http://127.0.0.1:8080 ada@dev.example usr_… folder
//
// The server has a database of `dcr-sqlx/examples/busy_console` and the built-in development provider; the person is one
// that this prints. NPM has playwright-core and axe-core, as `run` installs them.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [base, admin, person, folder] = process.argv.slice(2);
const modules = createRequire(path.join(path.resolve(process.env.NPM ?? '.work/npm/node_modules'), 'x.js'));
const { chromium } = modules('playwright-core');
const axe = readFileSync(modules.resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const PAGES = {
  overview: '',
  month: '?range=30d',
  people: '/people?q=hopper',
  person: `/people/${person}`,
  clients: '/clients',
  events: '/events?kind=refused',
  reference: '/references?reference=0000-0000',
  missing: '/people/nobody',
  health: '/health',
};
const LOOKS = {
  'light-en': { locale: 'en-GB', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  'dark-ko': { locale: 'ko-KR', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  'narrow-en': { locale: 'en-GB', colorScheme: 'dark', viewport: { width: 360, height: 780 } },
  'no-script-ko': { locale: 'ko-KR', colorScheme: 'light', viewport: { width: 800, height: 900 }, javaScriptEnabled: false },
};

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
});
const faults = [];
for (const [look, options] of Object.entries(LOOKS)) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('console', (message) => {
    if (/content security policy|refused to/i.test(message.text())) faults.push(`${look}: ${message.text()}`);
  });
  await page.goto(`${base}/oauth/admin`);
  await page.click('form[action$="/sign-in"] button');
  // The development provider: a button or a link for each of its people.
  await page.locator(`button[value="${admin}"], button:has-text("${admin}"), a:has-text("${admin}")`).first().click();
  await page.waitForURL(/\/oauth\/admin$/);
  for (const [name, place] of Object.entries(PAGES)) {
    const began = performance.now();
    const response = await page.goto(`${base}/oauth/admin${place}`);
    const took = performance.now() - began;
    const status = response.status();
    if (status !== (name === 'missing' ? 404 : 200)) faults.push(`${look} ${name}: ${status}`);
    await page.screenshot({ path: path.join(folder, `${name}-${look}.png`), fullPage: true });
    if (options.javaScriptEnabled === false) continue;
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (sideways > 0) faults.push(`${look} ${name}: ${sideways} px sideways`);
    await page.evaluate((source) => (0, eval)(source), axe).catch(() => context.newCDPSession(page)
      .then((cdp) => cdp.send('Runtime.evaluate', { expression: axe })));
    const found = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
    for (const { id, nodes } of found.violations) {
      faults.push(`${look} ${name}: ${id} (${nodes.slice(0, 3).map(({ target }) => target.join(' ')).join('; ')})`);
    }
    console.log(`${look} ${name}: ${took.toFixed(0)} ms`);
  }
  await context.close();
}
await browser.close();
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
