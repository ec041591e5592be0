// Pages that people sign in to, in a real browser: the cookie is Strict and there after the way back from a login on another
// site, links from other sites and framing get nowhere, and a person disconnects an app.

import { mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { leave, newPage, openBrowser, shot, watchedPage } from '../lib/browser.mjs';
import { CLAUDE, authorizeUrl, register } from '../lib/requests.mjs';
import { WORK, assert, equal, fileOf, freePort, until } from '../lib/trial.mjs';

const SCREENS = path.join(WORK, 'screens');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const button = (page, area) => page.locator(`form[action="${area}/sign-in"] button`);

/** A page of somebody else, on another site than the server. */
async function elsewhere(trial) {
  let html = '';
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>Elsewhere</title>${request.url === '/' ? html : ''}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  trial.onEnd(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
  return { url: `http://127.0.0.1:${server.address().port}/`, show: (next) => (html = next) };
}

async function drive(trial) {
  mkdirSync(SCREENS, { recursive: true });
  const axe = readFileSync(fileOf('axe-core'), 'utf8');
  const [port, adminPort] = [await freePort(), await freePort()];
  // By name, while the development login and the other site are addresses: so they are other sites for the browser.
  const server = await trial.server({
    DCR_BIND: `127.0.0.1:${port}`,
    DCR_PUBLIC_URL: `http://localhost:${port}`,
    DCR_ADMIN_USERS: 'ada@dev.example',
  });
  const apart = await trial.server({
    DCR_ADMIN_USERS: 'ada@dev.example',
    DCR_ADMIN_BIND: `127.0.0.1:${adminPort}`,
    DCR_ADMIN_URL: `http://localhost:${adminPort}`,
  });
  const other = await elsewhere(trial);
  const browser = await openBrowser(trial, { options: { bypassCSP: false } });

  const signIn = async (page, base, area) => {
    await page.goto(`${base}${area}`);
    await button(page, area).click();
    await page.getByRole('button', { name: /Ada Example/ }).click();
    await page.waitForURL(`${base}${area}`);
    await page.getByText('ada@dev.example').waitFor();
  };
  // The app is not there in this network; the server's part is done when it has sent the browser away.
  const connect = async (context, redirect) => {
    const signedIn = () => server.log().split('step="callback"').length;
    const [page, before] = [await newPage(context), signedIn()];
    const id = await register(server.base, { client_name: 'App', redirect_uris: [redirect] });
    await page.goto(authorizeUrl(server.base, id, redirect));
    await page.locator('a[href="/oauth/connections"]').waitFor();
    await page.locator('button[name=decision][value=approve]').click();
    await page.getByRole('button', { name: /Ada Example/ }).click({ noWaitAfter: true });
    await until('the way back to the app', () => signedIn() > before);
    await leave(page);
  };
  const session = async (base, name) => (await browser.cookies(`${base}/oauth/admin`)).find((cookie) => cookie.name === name);

  for (const [area, base, name, of] of [
    ['/oauth/admin', server.base, `dcr-console-${port}`, 'among the endpoints'],
    ['/oauth/admin', `http://localhost:${adminPort}`, `dcr-console-${adminPort}`, 'at an address of its own'],
    ['/oauth/connections', server.base, `dcr-connections-${port}`, 'of a person'],
  ]) {
    await trial.check(`${area} ${of}: signed in by a login of another site, with a Strict cookie`, async () => {
      const { page, seen } = await watchedPage(browser);
      await signIn(page, base, area);
      const [cookie] = (await browser.cookies(`${base}${area}`)).filter((one) => one.name === name);
      assert(cookie, `no cookie ${name}`);
      equal([cookie.sameSite, cookie.httpOnly, cookie.path].join(), `Strict,true,${area}`, 'the cookie');
      const hour = cookie.expires - Date.now() / 1_000;
      assert(hour > 3_500 && hour <= 3_600, `kept for ${hour} s`);
      // The way back is replaced, so that nobody goes back into it.
      equal(await page.evaluate(() => globalThis.document.referrer), '', 'referrer');
      equal(seen.complaints.filter((text) => !/^CookieIssue/.test(text)).join(' | '), '', 'complaints');
      await leave(page);
    });
  }

  await trial.check('a link of another site shows a sign-in page, and its button finds the session', async () => {
    const page = await newPage(browser);
    other.show(`<a href="${server.base}/oauth/admin">In</a>`);
    await page.goto(other.url);
    await page.getByText('In').click();
    await button(page, '/oauth/admin').click();
    await page.getByText('ada@dev.example').waitFor();
    equal(page.url(), `${server.base}/oauth/admin`, 'where it ends');
    await leave(page);
  });

  await trial.check('a form and a frame of another site get nowhere', async () => {
    const { page, seen } = await watchedPage(browser);
    for (const action of ['/oauth/admin/sign-out', '/oauth/connections/disconnect', '/oauth/connections/sign-in']) {
      other.show(`<form method=post action="${server.base}${action}"><input name=connection value=all><button>Go</button></form>`);
      await page.goto(other.url);
      const [answer] = await Promise.all([page.waitForResponse((response) => response.url().endsWith(action)), page.getByText('Go').click()]);
      equal(answer.status(), 403, action);
    }
    for (const area of ['/oauth/admin', '/oauth/connections']) {
      other.show(`<iframe src="${server.base}${area}"></iframe>`);
      const before = seen.complaints.length + seen.failed.length;
      await page.goto(other.url);
      await until('the refusal', () => seen.complaints.length + seen.failed.length > before);
      assert(!page.frames().some((frame) => frame.url().includes(area)), `${area} is framed`);
    }
    assert(await session(server.base, `dcr-console-${port}`), 'the session is still there');
    await leave(page);
  });

  await trial.check('the admin API answers pages of the console, and typed addresses, and nobody else', async () => {
    const page = await newPage(browser);
    const users = `${server.base}/oauth/admin/api/v1/users`;
    await page.goto(`${server.base}/oauth/admin`);
    equal((await page.goto(users)).status(), 200, 'typed');
    equal(await page.evaluate((url) => fetch(url).then(({ status }) => status), users), 200, 'from the same origin');
    await page.goto(other.url);
    const foreign = await page.evaluate((url) => fetch(url, { credentials: 'include' }).then(({ status }) => status, () => 'no answer'), users);
    equal(foreign, 'no answer', 'from elsewhere');
    await leave(page);
  });

  await trial.check('an app is connected, seen and disconnected, without script', async () => {
    const plain = await openBrowser(trial, { options: { javaScriptEnabled: false } });
    await connect(plain, CLAUDE);
    const connections = await newPage(plain);
    await connections.goto(`${server.base}/oauth/connections`);
    await button(connections, '/oauth/connections').click();
    await connections.getByRole('button', { name: /Ada Example/ }).click();
    await connections.getByRole('heading', { name: 'Claude' }).waitFor();
    await connections.getByRole('button', { name: 'Disconnect Claude' }).click();
    await connections.getByRole('status').getByText('Claude is disconnected: 1 sign-in ended.').waitFor();
    await connections.getByText('No app has access in your name.').waitFor();
    await plain.close();
  });

  for (const [locale, colorScheme, width] of [['en-GB', 'light', 1_280], ['ko-KR', 'dark', 390]]) {
    await trial.check(`readable in ${locale}, ${colorScheme}, ${width} px wide`, async () => {
      const context = await openBrowser(trial, { options: { locale, colorScheme, bypassCSP: true, viewport: { width, height: 844 } } });
      const page = await newPage(context);
      const judge = async (name) => {
        await shot(page, SCREENS, `${name}-${locale}-${colorScheme}-${width}`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(globalThis.document, { runOnly }), RULES);
        equal(violations.map((one) => `${one.id} (${one.nodes.map(({ target }) => target.join(' ')).join()})`).join('; '), '', name);
        const sideways = await page.evaluate(() => globalThis.document.documentElement.scrollWidth - globalThis.innerWidth);
        assert(sideways <= 0, `${name} scrolls sideways by ${sideways} px`);
      };
      for (const redirect of [CLAUDE, 'http://localhost:3118/callback']) await connect(context, redirect);
      await page.goto(`${server.base}/oauth/connections`);
      await judge('connections-sign-in');
      await button(page, '/oauth/connections').click();
      await page.getByRole('button', { name: /Ada Example/ }).click();
      await page.waitForURL(`${server.base}/oauth/connections`);
      await judge('connections');
      await page.locator('button[name=connection]').first().click();
      await page.getByRole('status').waitFor();
      await judge('connections-disconnected');
      await context.close();
    });
  }
  await apart.stop();
}

export const runs = [{ name: 'Signed in', alone: true, drive }];
