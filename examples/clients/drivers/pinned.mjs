// What an operator registered with `dcr pin` while the server runs: an app that signs assertions, a program without a person;
// and a registration that manages itself (RFC 7592). The client is `openid-client`.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Loopback } from '../lib/loopback.mjs';
import { BadToken, callTool, discoverResource } from '../lib/protocol.mjs';
import { Site, TOKEN_LIFE } from '../lib/site.mjs';
import { assert, equal, load, until } from '../lib/trial.mjs';

const { subtle } = globalThis.crypto;

async function configured(openid, issuer, id, authentication) {
  const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
  return openid.discovery(new URL(issuer), id, undefined, authentication, options);
}

async function signIn(openid, config, loopback, resource) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const expectedState = openid.randomState();
  const code_challenge = await openid.calculatePKCECodeChallenge(pkceCodeVerifier);
  const parameters = { redirect_uri: loopback.redirect, resource, state: expectedState, code_challenge, code_challenge_method: 'S256' };
  const landed = await loopback.signIn(openid.buildAuthorizationUrl(config, parameters).href);
  return openid.authorizationCodeGrant(config, landed, { pkceCodeVerifier, expectedState }, { resource });
}

/** What the operator did is seen within five seconds. */
const seen = (what, look) => until(what, () => look().catch((error) => (error instanceof BadToken ? false : Promise.reject(error))), 8_000);

async function refused(act, error) {
  try {
    await act();
  } catch (thrown) {
    equal(thrown.error, error, String(thrown));
    return;
  }
  throw new Error(`not refused, expected ${error}`);
}

async function drive(trial) {
  const openid = await load('openid-client');
  const site = await Site.open(trial, { DCR_CLIENT_CONFIGURATION: 'on' });
  const { resource, issuer } = await discoverResource(site.url);
  const loopback = await Loopback.open(trial);

  await trial.check('an app that signs (private_key_jwt): sign-in, tool call, refresh; another key is refused', async () => {
    const pair = () => subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const [own, other] = [await pair(), await pair()];
    const jwk = await subtle.exportKey('jwk', own.publicKey);
    const file = path.join(trial.folder('keys'), 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys: [{ ...jwk, use: 'sig', alg: 'ES256', kid: 'own', key_ops: undefined, ext: undefined }] }));
    await site.dcr('pin', 'signing-app', '--name', 'Signing app', '--redirect', loopback.redirect, '--jwks', file);
    const key = (pairOf) => ({ key: pairOf.privateKey, kid: 'own' });
    const config = await configured(openid, issuer, 'signing-app', openid.PrivateKeyJwt(key(own)));
    let tokens;
    await until('the pin to be seen', async () => {
      const page = await fetch(openid.buildAuthorizationUrl(config, { redirect_uri: loopback.redirect }));
      return !(await page.text()).includes('client_not_accepted');
    });
    tokens = await signIn(openid, config, loopback, resource);
    equal((await callTool(site.url, tokens.access_token, 'whoami')).client_id, 'signing-app', 'whoami');
    const thief = await configured(openid, issuer, 'signing-app', openid.PrivateKeyJwt(key(other)));
    await refused(() => openid.refreshTokenGrant(thief, tokens.refresh_token), 'invalid_client');
    tokens = await openid.refreshTokenGrant(config, tokens.refresh_token);
    equal((await callTool(site.url, tokens.access_token, 'whoami')).client_id, 'signing-app', 'whoami after the refresh');
  });

  await trial.check('a program without a person (client_credentials): tool call, block, unblock', async () => {
    const secret = await site.dcr('pin', 'nightly-report', '--machine', '--secret', 'client-secret-post', '--scope', 'mcp');
    const config = await configured(openid, issuer, 'nightly-report', openid.ClientSecretPost(secret));
    const token = async () => (await openid.clientCredentialsGrant(config, { resource })).access_token;
    const first = await until('the pin to be seen', () => token().catch((error) => (error.error === 'invalid_client' ? false : Promise.reject(error))), 8_000);
    const who = await callTool(site.url, first, 'whoami');
    equal(who.oid, 'nightly-report', 'whoami');
    assert(who.session === null && who.connection === null, 'it has no session');
    const wrong = await configured(openid, issuer, 'nightly-report', openid.ClientSecretPost('wrong'));
    await refused(() => openid.clientCredentialsGrant(wrong, { resource }), 'invalid_client');
    await site.dcr('block', 'client-id', 'nightly-report', '--yes');
    await refused(token, 'unauthorized_client');
    await site.dcr('unblock', 'client-id', 'nightly-report');
    const again = await token();
    await seen('its token to be good again', () => callTool(site.url, again, 'whoami'));
    return `tokens live ${TOKEN_LIFE} s`;
  });

  await trial.check('a registration reads, changes and deletes itself (RFC 7592)', async () => {
    const metadata = { client_name: 'Managed', redirect_uris: [loopback.redirect], token_endpoint_auth_method: 'client_secret_post' };
    const send = async (method, url, token, body) => {
      const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
      const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
      return { status: response.status, body: response.status === 204 ? undefined : await response.json() };
    };
    const made = (await send('POST', `${site.base}/oauth/register`, undefined, metadata)).body;
    const { registration_client_uri: url, registration_access_token: token, client_id, client_secret } = made;
    equal((await send('GET', url, token)).body.client_name, 'Managed', 'read');
    const changed = await send('PUT', url, token, { ...metadata, client_id, client_name: 'Renamed' });
    equal(changed.body.client_name, 'Renamed', 'changed');
    equal((await send('GET', url, token)).status, 401, 'the token before the change');
    const config = await configured(openid, issuer, client_id, openid.ClientSecretPost(client_secret));
    const tokens = await signIn(openid, config, loopback, resource);
    equal((await callTool(site.url, tokens.access_token, 'whoami')).client_id, client_id, 'whoami');
    equal((await send('DELETE', url, changed.body.registration_access_token)).status, 204, 'deleted');
    await refused(() => openid.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant');
    const page = await fetch(openid.buildAuthorizationUrl(config, { redirect_uri: loopback.redirect }));
    equal(page.status, 400, 'authorize after the deletion');
  });
}

export const runs = [{ name: 'Pinned clients', drive }];
