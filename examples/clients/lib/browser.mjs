// Chromium, watched: every request, every redirect, every complaint about the content security policy.

import path from 'node:path';
import { assert, load, sleep } from './trial.mjs';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A new browser with a new profile. `hosts` maps `name:port` to a port of this machine; all other names resolve to nothing.
 * `options` go to the browser context.
 */
export async function openBrowser(trial, { hosts = {}, options = {}, flags = [] } = {}) {
  const { chromium } = (await load('playwright-core')).default;
  const rules = Object.entries(hosts).map(([from, port]) => `MAP ${from} 127.0.0.1:${port}`);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, `--host-resolver-rules=${[...rules, 'MAP *.* ~NOTFOUND', 'EXCLUDE 127.0.0.1'].join(', ')}`, ...flags],
    // The suite cleans up by itself.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  trial.onEnd(() => browser.close());
  const context = await browser.newContext(options);
  context.once('close', () => browser.close());
  return context;
}

/** A tab. Chromium without a screen now and then never answers the wish for one; the next is answered. */
export async function newPage(context) {
  for (let attempt = 1; ; attempt += 1) {
    const page = await Promise.race([context.newPage(), sleep(10_000)]);
    if (page) return page;
    assert(attempt < 3, 'Chromium opens no tab');
  }
}

/** Closes a tab. Chromium may never answer that if the tab is on its way somewhere. */
export async function leave(page) {
  await page.waitForLoadState('load', { timeout: 5_000 }).catch(() => {});
  await Promise.race([page.close(), sleep(5_000)]);
}

/** A page, and what it did. */
export async function watchedPage(context) {
  const page = await newPage(context);
  const seen = { requests: [], failed: [], complaints: [], schemes: [] };
  const cdp = await context.newCDPSession(page);
  cdp.on('Network.requestWillBeSent', ({ request, type }) => seen.requests.push({ url: request.url, method: request.method, type }));
  cdp.on('Network.loadingFailed', (failure) => seen.failed.push(failure.errorText));
  cdp.on('Page.frameRequestedNavigation', ({ url }) => seen.schemes.push(url));
  cdp.on('Audits.issueAdded', ({ issue }) => {
    if (/Csp|ContentSecurityPolicy|MixedContent|Cookie|Attribution/i.test(issue.code)) {
      seen.complaints.push(`${issue.code}: ${JSON.stringify(issue.details)}`);
    }
  });
  await cdp.send('Network.enable');
  await cdp.send('Page.enable');
  await cdp.send('Audits.enable');
  page.on('console', (message) => {
    if (/content security policy|refused|blocked|insecure/i.test(message.text())) seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  seen.hosts = () => [...new Set(seen.requests.map(({ url }) => new URL(url)).filter((url) => url.protocol !== 'data:').map((url) => url.host))];
  seen.calm = (allowed) => {
    assert(seen.complaints.length === 0, `complaints: ${seen.complaints.join(' | ')}`);
    const strange = seen.hosts().filter((host) => !allowed.includes(host));
    assert(strange.length === 0, `requests to ${strange.join()}`);
  };
  return { page, seen, cdp };
}

export const shot = (page, folder, name) => page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
