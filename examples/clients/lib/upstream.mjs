// The company login of the matrix: `oidc-provider`, which is certified and not ours, with the issuer, the claims and the
// account page that Entra ID has. A program of its own; on its first line it says how a server signs people in here.
//
//   node upstream.mjs CALLBACK

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { fileURLToPath, pathToFileURL } from 'node:url';

const npm = createRequire(fileURLToPath(new URL('../.work/npm/', import.meta.url)));
const { default: Provider, interactionPolicy } = await import(pathToFileURL(npm.resolve('oidc-provider')));

const TENANT = '6f1d3c52-8a0e-4a57-9b0c-2f6f5c1d7e11';
const CLIENT_ID = 'd0c1b2a3-0001-4000-8000-00000000d0c5';
const secret = randomBytes(32).toString('base64url');
const [callback] = process.argv.slice(2);

const PEOPLE = {
  ada: { oid: '3b0e5a4e-5d0f-4b62-8f1c-a7a1d9e00001', name: 'Ada Example', address: 'ada@dev.example' },
  grace: { oid: '3b0e5a4e-5d0f-4b62-8f1c-a7a1d9e00002', name: 'Grace Example', address: 'grace@dev.example' },
};

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const prefix = `/${TENANT}/v2.0`;

// Entra asks for an account when it is told to, however well it knows the browser.
const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`${origin}${prefix}`, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: secret,
      redirect_uris: [callback],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: randomBytes(8).toString('hex') }] },
  claims: {
    openid: ['sub', 'tid', 'ver'],
    profile: ['oid', 'name', 'preferred_username'],
    email: ['email'],
  },
  conformIdTokenClaims: false, // as Entra: what the scopes bring is in the ID token
  findAccount: (_, id) => {
    const { oid, name, address } = PEOPLE[id];
    return {
      accountId: id,
      claims: () => ({ sub: id, tid: TENANT, ver: '2.0', oid, name, preferred_username: address, email: address }),
    };
  },
  // An application that an administrator has consented to.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
  interactions: { policy, url: (_, { uid }) => `/interaction/${uid}` },
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  ttl: { Interaction: 600, Session: 3_600, Grant: 3_600, IdToken: 3_600, AccessToken: 3_600 },
  renderError: (ctx, { error, error_description }) => {
    ctx.type = 'text';
    ctx.body = `${error}: ${error_description}`;
  },
});

const bodyOf = async (request) => {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
};

/** The page where a person picks an account. */
async function interaction(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    const user = (await bodyOf(request)).get('user');
    const result = PEOPLE[user]
      ? { login: { accountId: user }, select_account: {} }
      : { error: 'access_denied', error_description: 'the person chose no account' };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    return;
  }
  const buttons = Object.entries(PEOPLE).map(([id, { name }]) => `<button name="user" value="${id}">${name}</button>`);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(
    `<!doctype html><title>Pick an account</title><form method="post" action="/interaction/${uid}">${buttons.join('')}</form>`,
  );
}

const handle = provider.callback();
server.on('request', (request, response) => {
  const failed = (error) => {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  };
  if (request.url.startsWith('/interaction/')) return void interaction(request, response).catch(failed);
  if (!request.url.startsWith(`${prefix}/`)) return void response.writeHead(404).end();
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length);
  handle(request, response).catch(failed);
});

console.log(
  JSON.stringify({
    issuer: provider.issuer,
    env: {
      DCR_AZURE_AUTHORITY: origin,
      DCR_AZURE_TENANT_ID: TENANT,
      DCR_AZURE_CLIENT_ID: CLIENT_ID,
      DCR_AZURE_CLIENT_SECRET: secret,
    },
  }),
);
process.on('SIGTERM', () => process.exit(0));
