// The pages themselves: what they look like in both languages, in light and dark, narrow and wide, with and without a
// theme; whether everybody can read and use them; and that they load nothing from elsewhere.

import { readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { leave, newPage, openBrowser, shot, watchedPage } from '../lib/browser.mjs';
import { CLAUDE, authorizeUrl, register } from '../lib/requests.mjs';
import { WORK, assert, equal, fileOf, sleep, until } from '../lib/trial.mjs';

const SCREENS = path.join(WORK, 'screens');
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 }, narrow: { width: 320, height: 568 } };
const LANGUAGES = { en: 'en-GB', ko: 'ko-KR' };
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="9" fill="#0b6e4f"/>
<path d="M11 27V13h8a7 7 0 0 1 0 14z" fill="none" stroke="#fff" stroke-width="3"/><circle cx="29" cy="20" r="3" fill="#fff"/></svg>`;
const PINNED = 'https://portal.example/oauth/callback';
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** A host of client metadata documents, and what makes a server believe it. */
async function documentHost(trial) {
  const certificate = await trial.certificate('localhost');
  const documents = new Map();
  const server = https.createServer(certificate, (request, response) => {
    const document = documents.get(request.url);
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  trial.onEnd(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
  const file = path.join(trial.folder('documents'), 'ca.pem');
  writeFileSync(file, certificate.cert);
  const id = `https://localhost:${server.address().port}/client.json`;
  documents.set('/client.json', {
    client_id: id,
    client_name: 'Command line tool',
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
  });
  const config = path.join(trial.folder('documents'), 'dcr.toml');
  writeFileSync(
    config,
    `[[client]]\nclient_id = "portal"\nclient_name = "Operations portal"\nredirect_uris = ["${PINNED}"]\nremember_consent_days = 30\n`,
  );
  const env = {
    DCR_CIMD: 'on',
    DCR_CIMD_TEST_CA_FILE: file,
    DCR_CIMD_DANGEROUSLY_ALLOW_PRIVATE_HOSTS: 'localhost',
    DCR_CONFIG: config,
  };
  return { id, env };
}

/** The pages of a server, by name. */
async function pagesOf({ base }, document) {
  const consent = async (redirect, name) =>
    authorizeUrl(base, await register(base, { client_name: name, redirect_uris: [redirect] }), redirect);
  const local = 'http://127.0.0.1:33418/callback';
  const far = 'https://app.example.net/a/rather/long/path/to/the/oauth/callback/of/this/application';
  return {
    'consent-platform': await consent(CLAUDE, 'Claude'),
    'consent-local': await consent('http://localhost:3118/callback', 'My command line tool'),
    'consent-unregistered': authorizeUrl(base, 'an-id-from-another-life', CLAUDE),
    'consent-unregistered-local': authorizeUrl(base, 'an-id-from-another-life', local),
    'consent-pinned': authorizeUrl(base, 'portal', PINNED),
    'consent-document': authorizeUrl(base, document.id, local),
    'consent-elsewhere': await consent(far, `Quarterly \u202Ereports\u200B ${'and more '.repeat(8)}`),
    'consent-unbroken-name': await consent(far, 'W'.repeat(200)),
    'consent-long-address': authorizeUrl(base, 'an-id-from-another-life', `http://127.0.0.1:33418/${'a-long-path/'.repeat(164)}`),
    'refusal-reconnect': authorizeUrl(base, 'unknown', 'https://evil.example/callback'),
    'refusal-start-again': `${base}/oauth/callback?state=abc&code=x`,
    'refusal-app-fault': authorizeUrl(base, await register(base, { redirect_uris: [far] }), far, { code_challenge_method: 'plain' }),
    'refusal-nothing-here': `${base}/oauth/consent`,
  };
}

const told = (list) => list.map(({ id, nodes }) => `${id} (${nodes.map(({ target }) => target.join(' ')).join()})`).join('; ');
const sideways = (page) => page.evaluate(() => globalThis.document.documentElement.scrollWidth - globalThis.innerWidth);

/** What must hold of a page at every size. Answers what axe could not decide. */
async function judge(page, axe, viewport) {
  assert((await sideways(page)) <= 0, `scrolls sideways by ${await sideways(page)} px at ${viewport.width}`);
  for (const target of await page.locator('button, a.button, summary').all()) {
    const box = await target.boundingBox();
    assert(box.height >= 44 && box.x >= 0 && box.x + box.width <= viewport.width, `target at ${JSON.stringify(box)}`);
  }
  await page.evaluate(axe);
  const { violations, incomplete } = await page.evaluate((runOnly) => globalThis.axe.run(globalThis.document, { runOnly }), RULES);
  equal(told(violations), '', `axe at ${viewport.width}`);
  return told(incomplete);
}

/** Every place that the keyboard reaches shows that it has been reached. */
async function rings(page) {
  const stops = await page.locator('button, a[href], summary, [tabindex="0"]').count();
  for (let stop = 0; stop < stops; stop += 1) {
    await page.keyboard.press('Tab');
    const { tag, style, width } = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(globalThis.document.activeElement);
      return { tag: globalThis.document.activeElement.tagName, style: outlineStyle, width: Number.parseFloat(outlineWidth) };
    });
    assert(tag !== 'BODY' && style === 'solid' && width >= 2, `focus on ${tag}: ${style} ${width} px`);
  }
  return stops;
}

async function drive(trial) {
  mkdirSync(SCREENS, { recursive: true });
  const axe = readFileSync(fileOf('axe-core'), 'utf8');
  const document = await documentHost(trial);
  const logo = path.join(trial.folder('theme'), 'logo.svg');
  writeFileSync(logo, LOGO);
  const theme = {
    DCR_THEME_NAME: 'Example Corp',
    DCR_THEME_LOGO: logo,
    DCR_THEME_COLOUR: '#0b6e4f',
    DCR_SERVER_NAME: 'Sales reports',
  };
  const plain = await trial.server(document.env);
  const themed = await trial.server({ ...document.env, ...theme });
  const few = ['consent-platform', 'consent-unregistered', 'refusal-reconnect'];
  const sets = [
    ['', plain, await pagesOf(plain, document)],
    ['-themed', themed, Object.fromEntries(Object.entries(await pagesOf(themed, document)).filter(([name]) => few.includes(name)))],
  ];

  for (const [language, locale] of Object.entries(LANGUAGES)) {
    for (const colorScheme of ['light', 'dark']) {
      // bypassCSP lets the checker in; without it the page allows no script at all.
      const context = await openBrowser(trial, { options: { colorScheme, locale, bypassCSP: true, deviceScaleFactor: 2 } });
      for (const [look, { base }, pages] of sets) {
        for (const [name, url] of Object.entries(pages)) {
          await trial.check(`${name}${look}, ${language}, ${colorScheme}: readable, nothing cut, WCAG AA, nothing from elsewhere`, async () => {
            const { page, seen } = await watchedPage(context);
            await page.goto(url);
            equal(await page.locator('html').getAttribute('lang'), language, 'lang');
            equal(await page.locator('form').count(), name.startsWith('consent') ? 1 : 0, 'forms');
            const stops = await rings(page);
            await page.evaluate(() => globalThis.document.activeElement.blur());
            const undecided = new Set();
            for (const [size, viewport] of Object.entries(SIZES)) {
              await page.setViewportSize(viewport);
              await shot(page, SCREENS, `${name}${look}-${language}-${colorScheme}-${size}`);
              undecided.add(await judge(page, axe, viewport));
            }
            const more = page.locator('summary');
            if ((await more.count()) > 0) {
              await more.click();
              await page.setViewportSize(SIZES.phone);
              await shot(page, SCREENS, `${name}${look}-${language}-${colorScheme}-open`);
              undecided.add(await judge(page, axe, SIZES.phone));
            }
            seen.calm([new URL(base).host]);
            await leave(page);
            const unsaid = [...undecided].filter(Boolean).join('; ');
            return `${stops} places by keyboard${unsaid ? `, undecided: ${unsaid}` : ''}`;
          });
        }
      }
      await context.close();
    }
  }

  const browser = await openBrowser(trial);
  await trial.check('under the shipped policy the logo is shown, and nothing else is asked for', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(sets[1][2]['consent-platform']);
    const [width, height] = await page.locator('.brand img').evaluate(({ naturalWidth, offsetHeight }) => [naturalWidth, offsetHeight]);
    assert(width > 0 && height === 40, `a logo of ${width} px, ${height} px high`);
    const asked = seen.requests.map(({ url }) => new URL(url).pathname);
    equal(asked.filter((path) => path !== '/favicon.ico').map((path) => path.replace(/[0-9a-f]{16}/, '#')).join(), '/oauth/authorize,/oauth/logo/#.svg', 'requests');
    seen.calm([new URL(themed.base).host]);
    await leave(page);
  });
  await trial.check('a logo that is opened by itself can do nothing', async () => {
    const { page, seen } = await watchedPage(browser);
    await page.goto(sets[1][2]['consent-platform']);
    const answer = await page.goto(await page.locator('.brand img').evaluate(({ src }) => src));
    assert(/sandbox/.test(answer.headers()['content-security-policy']), JSON.stringify(answer.headers()));
    equal(answer.headers()['content-type'], 'image/svg+xml', 'content type');
    equal(seen.complaints.join(' | '), '', 'complaints');
    await leave(page);
  });
  await trial.check('somebody who may not come in is told so, with a way back and a reference', async () => {
    const closed = await trial.server({ ...theme, DCR_ALLOWED_DOMAINS: 'nobody.example' });
    for (const [language, locale] of Object.entries(LANGUAGES)) {
      const context = await openBrowser(trial, { options: { locale, bypassCSP: true, deviceScaleFactor: 2 } });
      const page = await newPage(context);
      await page.goto(authorizeUrl(closed.base, 'an-id-from-another-life', 'http://127.0.0.1:33418/callback'));
      await page.locator('button[value=approve]').click({ noWaitAfter: true });
      await page.getByRole('button', { name: /Ada Example/ }).click({ noWaitAfter: true });
      await page.locator('a.button').waitFor();
      const reference = await page.locator('.reference code').first().textContent();
      assert(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(reference), reference);
      await until('the same reference in the log', () => closed.log().includes(reference));
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        await shot(page, SCREENS, `refusal-no-access-themed-${language}-light-${size}`);
        await judge(page, axe, viewport);
      }
      await context.close();
    }
  });
  for (const colour of ['#ffcc00', '#001a4d', '#808080', '#ffffff', '#000000', '#e4002b']) {
    await trial.check(`the accent ${colour}: buttons, rings and marks are readable in light and dark`, async () => {
      const server = await trial.server({ DCR_THEME_COLOUR: colour });
      const client = await register(server.base, { client_name: 'Claude', redirect_uris: [CLAUDE] });
      for (const colorScheme of ['light', 'dark']) {
        const context = await openBrowser(trial, { options: { colorScheme, bypassCSP: true } });
        const page = await newPage(context);
        await page.goto(authorizeUrl(server.base, client, CLAUDE));
        await shot(page, SCREENS, `accent-${colour.slice(1)}-${colorScheme}`);
        await judge(page, axe, page.viewportSize());
        await context.close();
      }
      await server.stop();
    });
  }
  await trial.check('less motion does not take the click guard away', async () => {
    const context = await openBrowser(trial, { options: { reducedMotion: 'reduce' } });
    const page = await newPage(context);
    await page.goto(sets[0][2]['consent-platform']);
    const guards = await page.evaluate(() => {
      const running = globalThis.document.getAnimations();
      for (const animation of running) animation.pause();
      for (const animation of running) animation.currentTime = 0;
      return [...globalThis.document.querySelectorAll('button')].map((button) => getComputedStyle(button).pointerEvents);
    });
    equal(guards.join(), 'none,none', 'pointer events in the first moment');
    await context.close();
  });
  await trial.check('printed: all of the text, no buttons', async () => {
    const page = await newPage(browser);
    await page.setViewportSize({ width: 794, height: 1123 });
    for (const name of ['consent-long-address', 'refusal-reconnect']) {
      await page.goto(sets[0][2][name]);
      await page.emulateMedia({ media: 'print' });
      await shot(page, SCREENS, `${name}-print`);
      equal(await page.locator('.actions:visible').count(), 0, 'buttons');
      const cut = await page.evaluate(() => [...globalThis.document.querySelectorAll('code')].filter((code) => code.scrollHeight > code.clientHeight + 1 && getComputedStyle(code).display === 'block').length);
      equal(cut, 0, 'addresses cut');
      assert((await sideways(page)) <= 0, 'wider than the paper');
    }
    await leave(page);
  });
  await trial.check('readable with text twice as large, and in forced colours', async () => {
    for (const [language, locale] of Object.entries(LANGUAGES)) {
      const context = await openBrowser(trial, { options: { forcedColors: 'active', locale, bypassCSP: true } });
      const page = await newPage(context);
      await page.setViewportSize(SIZES.phone);
      for (const name of ['consent-elsewhere', 'refusal-reconnect']) {
        await page.goto(sets[0][2][name]);
        await page.addStyleTag({ content: 'html{font-size:200%}' });
        await sleep(300);
        await shot(page, SCREENS, `${name}-${language}-large-forced`);
        assert((await sideways(page)) <= 0, `scrolls sideways by ${await sideways(page)} px`);
      }
      await context.close();
    }
  });
}

// Both frameworks answer the same bytes, which other tests compare.
export const runs = [{ name: 'Pages', alone: true, only: 'axum', drive }];
