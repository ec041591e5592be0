// A real browser: the way through the pages under the content security policy that they ship with.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { leave, newPage, openBrowser, watchedPage } from '../lib/browser.mjs';
import { CLAUDE, authorizeUrl, register } from '../lib/requests.mjs';
import { assert, equal, freePort, sleep, until } from '../lib/trial.mjs';

const CURSOR = 'cursor://anysphere.cursor-mcp/oauth/callback';

// By what they send, not by what they say.
const approve = (page) => page.locator('button[name=decision][value=approve]');
const cancel = (page) => page.locator('button[name=decision][value=deny]');

/** A client's listener: what came, and a page to say so. */
async function listener(trial, host, certificate) {
  const got = [];
  const serve = (request, response) => {
    if (request.url !== '/favicon.ico') got.push(new URL(request.url, 'http://x'));
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>Back</title><link rel=icon href=data:,><p>Back at the app.');
  };
  const server = certificate ? https.createServer(certificate, serve) : http.createServer(serve);
  await new Promise((resolve, reject) => server.listen(0, host, resolve).on('error', reject));
  trial.onEnd(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
  return { got, port: server.address().port };
}

/** TLS in front of a server, as in production. */
async function tlsProxy(trial, certificate, port) {
  const proxy = https.createServer(certificate, (request, response) => {
    const { method, url, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  trial.onEnd(() => new Promise((resolve) => (proxy.closeAllConnections(), proxy.close(resolve))));
  return proxy.address().port;
}

function answered(url, base) {
  assert(url.searchParams.get('code'), `no code: ${url}`);
  equal(url.searchParams.get('state'), 'st+a/te=', 'state');
  equal(url.searchParams.get('iss'), base, 'iss');
}

async function pickAda(page) {
  await page.getByRole('button', { name: /Ada Example/ }).click({ noWaitAfter: true });
}

async function drive(trial) {
  const server = await trial.server({ DCR_CUSTOM_REDIRECTS: CURSOR });
  const dev = /development provider at (\S+)/.exec(server.program.stdout)[1];
  const auto = await trial.provider({ DCR_DEV_IDP_AUTO_LOGIN: 'ada' });
  const silent = await trial.server({ DCR_CUSTOM_REDIRECTS: CURSOR, ...auto.env });
  const certificate = await trial.certificate('claude.ai', 'mcp.example', 'app.example.net');
  const claude = await listener(trial, '127.0.0.1', certificate);
  const browser = await openBrowser(trial, {
    hosts: { 'claude.ai:443': claude.port },
    options: { ignoreHTTPSErrors: true },
  });

  // CONS-16: the whole chain. `login: silent` answers the form with redirects only, which is where `form-action` bites.
  const logins = [
    { login: 'picked account', server, hosts: [new URL(server.base).host, new URL(dev).host] },
    { login: 'silent login', server: silent, hosts: [new URL(silent.base).host, new URL(auto.origin).host] },
  ];
  const chain = async ({ login, server: { base }, hosts }, redirect, got, host, { context = browser, id } = {}) => {
    const { page, seen } = await watchedPage(context);
    const before = got.length;
    await page.goto(authorizeUrl(base, id ?? (await register(base, { client_name: 'Test', redirect_uris: [redirect] })), redirect));
    await approve(page).click({ noWaitAfter: true });
    if (login === 'picked account') await pickAda(page);
    await until('the answer at the client', () => got.length > before).catch((error) => {
      throw new Error(`${error.message}; ended at ${page.url()}; ${seen.complaints.join(' | ')} ${seen.failed.join()}`);
    });
    answered(got.at(-1), base);
    await page.getByText('Back at the app.').waitFor({ timeout: 5_000 });
    await sleep(200);
    seen.calm([...hosts, host]);
    await leave(page);
  };
  for (const login of logins) {
    for (const [host, address] of [['127.0.0.1', '127.0.0.1'], ['localhost', 'localhost'], ['[::1]', '::1']]) {
      await trial.check(`chain to http://${host}, ${login.login}`, async () => {
        const { got, port } = await listener(trial, address);
        await chain(login, `http://${host}:${port}/callback`, got, `${host}:${port}`);
      });
    }
    await trial.check(`chain to https://claude.ai, ${login.login}`, () => chain(login, CLAUDE, claude.got, 'claude.ai'));
    await trial.check(`chain to an adopted id's loopback, ${login.login}`, async () => {
      const { got, port } = await listener(trial, '127.0.0.1');
      await chain(login, `http://127.0.0.1:${port}/cb`, got, `127.0.0.1:${port}`, { id: 'never-seen-before' });
    });
    await trial.check(`chain to cursor://, ${login.login}`, async () => {
      const { page, seen } = await watchedPage(browser);
      const { base } = login.server;
      const client = await register(base, { client_name: 'Cursor', redirect_uris: [CURSOR] });
      await page.goto(authorizeUrl(base, client, CURSOR));
      await approve(page).click({ noWaitAfter: true });
      if (login.login === 'picked account') await pickAda(page);
      const opened = () => seen.requests.map(({ url }) => url).find((url) => url.startsWith(CURSOR));
      await until('Chromium to try the scheme', opened, 8_000).catch((error) => {
        throw new Error(`${error.message}; at ${page.url()}; ${seen.complaints.join(' | ')}; ${seen.failed.join()}; ${JSON.stringify(seen.requests)}`);
      });
      answered(new URL(opened()), base);
      await sleep(500);
      seen.calm([...login.hosts, 'anysphere.cursor-mcp']);
      await leave(page);
    });
  }
  await trial.check("the test would notice: with form-action 'self' the same chain is stopped", async () => {
    const { page, seen } = await watchedPage(browser);
    const { got, port } = await listener(trial, '127.0.0.1');
    const redirect = `http://localhost:${port}/callback`;
    const { base } = silent;
    await page.route('**/oauth/authorize*', async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      headers['content-security-policy'] = headers['content-security-policy'].replace(/form-action [^;]+/, "form-action 'self'");
      await route.fulfill({ response, headers });
    });
    await page.goto(authorizeUrl(base, await register(base, { redirect_uris: [redirect] }), redirect));
    await approve(page).click({ noWaitAfter: true });
    await until('a complaint', () => seen.complaints.length > 0);
    await sleep(500);
    equal(got.length, 0, 'answers at the client');
    await leave(page);
  });
  await trial.check('a cross-site login page: the cookie of the approval comes back', async () => {
    // `localhost` and `127.0.0.1` are different sites.
    const port = await freePort();
    const base = `http://localhost:${port}`;
    await trial.server({ DCR_BIND: `127.0.0.1:${port}`, DCR_PUBLIC_URL: base, ...(await trial.provider()).env });
    const { got, port: client } = await listener(trial, '127.0.0.1');
    const { page, seen } = await watchedPage(browser);
    const redirect = `http://127.0.0.1:${client}/cb`;
    await page.goto(authorizeUrl(base, await register(base, { redirect_uris: [redirect] }), redirect));
    await approve(page).click({ noWaitAfter: true });
    await pickAda(page);
    await until('the answer at the client', () => got.length > 0);
    answered(got[0], base);
    equal(seen.complaints.join(' | '), '', 'complaints');
    await leave(page);
  });
  await trial.check('https in front, as in production: __Host- cookies, and on to a loopback client', async () => {
    const base = 'https://mcp.example';
    const secret = randomBytes(32).toString('base64');
    const direct = await freePort();
    const provider = await trial.provider({
      DCR_DEV_IDP_AUTO_LOGIN: 'ada',
      DCR_DEV_IDP_REDIRECT_URIS: `${base}/oauth/callback`,
    });
    await trial.server({ DCR_BIND: `127.0.0.1:${direct}`, DCR_PUBLIC_URL: base, DCR_SECRET: secret, ...provider.env });
    const proxy = await tlsProxy(trial, certificate, direct);
    const context = await openBrowser(trial, {
      hosts: { 'mcp.example:443': proxy, 'claude.ai:443': claude.port },
      options: { ignoreHTTPSErrors: true },
    });
    const hosts = ['mcp.example', new URL(provider.origin).host];
    const login = { login: 'silent login', server: { base }, hosts };
    const via = `http://127.0.0.1:${direct}`;
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      const { got, port } = await listener(trial, host.replace(/[[\]]/g, ''));
      const redirect = `http://${host}:${port}/callback`;
      const id = await register(base, { client_name: 'Test', redirect_uris: [redirect] }, via);
      await chain(login, redirect, got, `${host}:${port}`, { context, id });
    }
    const id = await register(base, { client_name: 'Test', redirect_uris: [CLAUDE] }, via);
    await chain(login, CLAUDE, claude.got, 'claude.ai', { context, id });
    const page = await newPage(context);
    await page.goto(authorizeUrl(base, id, CLAUDE));
    const cookies = (await context.cookies(base)).filter(({ name }) => name.includes('dcr'));
    assert(cookies.length > 0 && cookies.every((cookie) => cookie.name.startsWith('__Host-') && cookie.secure && cookie.httpOnly && cookie.sameSite === 'Lax'), JSON.stringify(cookies));
    await context.close();
  });

  // What a person does.
  const { got: home, port: homePort } = await listener(trial, '127.0.0.1');
  const local = `http://127.0.0.1:${homePort}/callback`;
  const consent = () => authorizeUrl(server.base, 'an-id-from-another-life', local);

  await trial.check('works with JavaScript switched off', async () => {
    const context = await openBrowser(trial, { options: { javaScriptEnabled: false } });
    const page = await newPage(context);
    const before = home.length;
    await page.goto(consent());
    await approve(page).click({ noWaitAfter: true });
    await pickAda(page);
    await until('the answer at the client', () => home.length > before);
    answered(home.at(-1), server.base);
    await context.close();
  });
  await trial.check('cancel tells the client', async () => {
    const { page, seen } = await watchedPage(browser);
    const before = home.length;
    await page.goto(consent());
    await cancel(page).click({ noWaitAfter: true });
    await until('the answer at the client', () => home.length > before);
    equal(home.at(-1).searchParams.get('error'), 'access_denied', 'error');
    equal(home.at(-1).searchParams.get('iss'), server.base, 'iss');
    await sleep(200);
    seen.calm([new URL(server.base).host, `127.0.0.1:${homePort}`]);
    await leave(page);
  });
  await trial.check('back to the consent page after a sign-in, and approve once more', async () => {
    const { page } = await watchedPage(browser);
    const before = home.length;
    const through = async (times) => {
      await approve(page).click({ noWaitAfter: true });
      await pickAda(page);
      await until('the answer at the client', () => home.length === before + times);
      await page.getByText('Back at the app.').waitFor();
    };
    await page.goto(consent());
    await through(1);
    while (!page.url().includes(`${server.base}/oauth/authorize`)) await page.goBack();
    await through(2);
    const [first, second] = home.slice(-2).map((url) => url.searchParams.get('code'));
    assert(first && second && first !== second, `codes ${first} and ${second}`);
    await leave(page);
  });
  await trial.check('two sign-ins open at once in one browser both arrive', async () => {
    const pages = [await newPage(browser), await newPage(browser)];
    const before = home.length;
    for (const page of pages) await page.goto(consent());
    for (const page of pages) await approve(page).click();
    for (const page of pages) await pickAda(page);
    await until('both answers', () => home.length === before + 2);
    await Promise.all(pages.map(leave));
  });

  await trial.check('a sign-in in a popup stays connected to the page that opened it', async () => {
    const page = await newPage(browser);
    await page.goto(`http://127.0.0.1:${homePort}/opener`);
    const opened = browser.waitForEvent('page');
    await page.evaluate((url) => void (globalThis.popup = globalThis.open(url, 'popup', 'width=500,height=700')), consent());
    const popup = await opened;
    const before = home.length;
    await approve(popup).click({ noWaitAfter: true });
    await pickAda(popup);
    await until('the answer at the client', () => home.length > before);
    await popup.getByText('Back at the app.').waitFor();
    assert(!(await page.evaluate(() => globalThis.popup.closed)), 'the opener sees the popup as closed');
    assert(await popup.evaluate(() => globalThis.opener !== null), 'the popup has lost its opener');
    await leave(popup);
    await leave(page);
  });

  // CO-1. Raw mouse events: Playwright's own click would wait until the button takes it. They only reach what is in view.
  const middle = async (button) => {
    await button.page().setViewportSize({ width: 1280, height: 1200 });
    const box = await button.boundingBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const posts = (seen) => seen.requests.filter(({ method }) => method === 'POST').length;
  await trial.check('a click in the first moments does nothing, a later one works', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(consent());
    const at = await middle(approve(page));
    // How far the guard's own clock is, in ms.
    const age = () => page.evaluate(() => globalThis.document.getAnimations()[0]?.currentTime ?? Infinity);
    await page.reload();
    let early = 0;
    while ((await age()) < 500) {
      await page.mouse.click(...at, { clickCount: 2 });
      early += 1;
    }
    assert(early > 0, 'the machine was too slow to click in time');
    equal(posts(seen), 0, 'forms sent within half a second');
    await until('the guard to open', async () => (await age()) === Infinity, 2_000);
    await page.mouse.click(...at);
    await until('the form to be sent', () => posts(seen) === 1);
    await leave(page);
    return `${early} early double clicks`;
  });
  await trial.check('the keyboard is not stopped: tab to the button, then enter', async () => {
    const { page } = await watchedPage(browser);
    await page.goto(consent(), { waitUntil: 'domcontentloaded' });
    const reached = [];
    for (let presses = 0; presses < 5; presses += 1) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => globalThis.document.activeElement.value));
      if (reached.at(-1) === 'approve') break;
    }
    equal(reached.at(-1), 'approve', 'focus');
    const outline = await page.evaluate(() => getComputedStyle(globalThis.document.activeElement).outlineStyle);
    equal(outline, 'solid', 'focus ring');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/authorize\?.*client_id=/, { timeout: 5_000 });
    await page.getByRole('heading', { name: 'Pick an account' }).waitFor();
    await leave(page);
  });
  await trial.check('enter without focus on a button sends nothing', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(consent());
    for (let presses = 0; presses < 5; presses += 1) await page.keyboard.press('Enter');
    await sleep(500);
    equal(posts(seen), 0, 'forms sent');
    await leave(page);
  });
  await trial.check('a double click approves once', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(consent());
    await sleep(1_000);
    const at = await middle(approve(page));
    await page.mouse.dblclick(...at);
    await page.getByRole('heading', { name: 'Pick an account' }).waitFor();
    const before = home.length;
    await pickAda(page);
    await until('the answer at the client', () => home.length > before);
    return `${seen.requests.filter(({ method, url }) => method === 'POST' && url.endsWith('/consent')).length} form(s) sent`;
  });
  await trial.check('REDIR-20: reads scheme and host of the redirect URIs that passed the gate as the server does', async () => {
    // Made by the catalogue, which asks three parsers in Rust the same.
    const corpus = new URL('../../e2e/tests/catalogue/allowed-redirects.txt', import.meta.url);
    const lines = (await readFile(corpus, 'utf8')).trim().split('\n');
    assert(lines.length > 200, `only ${lines.length} URIs`);
    const page = await newPage(browser);
    const differ = await page.evaluate((all) => all.filter((line) => {
      const [scheme, host, uri] = line.split(' ');
      const link = globalThis.document.createElement('a');
      link.href = uri;
      const same = ({ protocol, hostname, username }) => protocol === `${scheme}:` && hostname === host && username === '';
      return !same(link) || !same(new URL(uri)) || ![uri, `${uri}/`].includes(link.href);
    }), lines);
    equal(differ.join('\n'), '', 'read otherwise');
    await leave(page);
    return `${lines.length} URIs`;
  });
  await trial.check('the page cannot be framed', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(`http://127.0.0.1:${homePort}/frame`);
    await page.evaluate((url) => {
      const frame = globalThis.document.createElement('iframe');
      frame.src = url;
      globalThis.document.body.append(frame);
    }, consent());
    await until('the refusal', () => seen.complaints.some((text) => /frame/i.test(text)) || seen.failed.length > 0);
    assert(!page.frames().some((frame) => frame.url().includes('/oauth/authorize')), 'framed');
    await leave(page);
  });
}

export const runs = [{ name: 'Chromium', alone: true, drive }];
