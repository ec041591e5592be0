// `oauth4webapi` as a strict protocol client: it follows the RFCs to the letter and forgives nothing.

import { lives } from '../lib/life.mjs';
import { Person } from '../lib/person.mjs';
import { discoverResource, protocolApp } from '../lib/protocol.mjs';
import { assert, equal, freePort, load, sleep } from '../lib/trial.mjs';

const REDIRECT = (port) => `http://127.0.0.1:${port}/callback`;

async function library(url) {
  const oauth = await load('oauth4webapi');
  const insecure = { [oauth.allowInsecureRequests]: true };
  const { resource, issuer } = await discoverResource(url);
  const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure });
  const as = await oauth.processDiscoveryResponse(new URL(issuer), found);
  const more = { additionalParameters: { resource }, ...insecure };
  return {
    register: async (redirect) => {
      const metadata = { client_name: 'oauth4webapi', redirect_uris: [redirect], token_endpoint_auth_method: 'none' };
      return oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, metadata, insecure));
    },
    begin: async ({ client_id }, redirect_uri) => {
      const verifier = oauth.generateRandomCodeVerifier();
      const state = oauth.generateRandomState();
      const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
      const asked = { client_id, redirect_uri, response_type: 'code', scope: 'mcp', resource, state, code_challenge, code_challenge_method: 'S256' };
      return { verifier, state, url: `${as.authorization_endpoint}?${new URLSearchParams(asked)}` };
    },
    finish: async (client, redirect, { verifier, state }, landed) => {
      const answer = oauth.validateAuthResponse(as, client, landed, state);
      const response = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), answer, redirect, verifier, more);
      return oauth.processAuthorizationCodeResponse(as, client, response);
    },
    refresh: async (client, token) =>
      oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, more)),
  };
}

async function strict(trial) {
  const oauth = await load('oauth4webapi');
  const server = await trial.server({ DCR_ACCESS_TOKEN_TTL: '2', DCR_REFRESH_GRACE: '1' });
  const issuer = new URL(server.base);
  const resource = new URL(server.url);
  const insecure = { [oauth.allowInsecureRequests]: true };
  const redirect = REDIRECT(await freePort());
  const ask = (token, url = resource) =>
    oauth.protectedResourceRequest(
      token,
      'POST',
      url,
      new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' }),
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      insecure,
    );

  await trial.step('the resource names its authorization server', async () => {
    const challenge = await fetch(resource, { method: 'POST' });
    equal(challenge.status, 401, 'status without a token');
    const header = challenge.headers.get('www-authenticate');
    const document = await oauth.resourceDiscoveryRequest(resource, insecure);
    const metadata = await oauth.processResourceDiscoveryResponse(resource, document);
    equal(metadata.authorization_servers.join(), server.base, 'authorization_servers');
    equal(metadata.resource, server.url, 'resource');
    const named = /resource_metadata="([^"]+)"/.exec(header)?.[1];
    equal(JSON.stringify(await (await fetch(named)).json()), JSON.stringify(metadata), 'the document in the challenge');
    assert(/scope="/.test(header), header);
  });

  const as = await trial.step('discovery: RFC 8414 and OpenID Connect agree', async () => {
    const found = {};
    for (const algorithm of ['oauth2', 'oidc']) {
      const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
      found[algorithm] = await oauth.processDiscoveryResponse(issuer, response);
    }
    equal(JSON.stringify(found.oidc), JSON.stringify(found.oauth2), 'openid-configuration');
    assert(found.oauth2.code_challenge_methods_supported.includes('S256'), 'S256 is not advertised');
    equal(found.oauth2.authorization_response_iss_parameter_supported, true, 'iss');
    return found.oauth2;
  });

  const register = async (metadata) => {
    const response = await oauth.dynamicClientRegistrationRequest(as, metadata, insecure);
    return oauth.processDynamicClientRegistrationResponse(response);
  };

  /** From authorize to the validated answer. */
  const authorize = async (client, { decision, extra = {}, at = redirect } = {}) => {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = `${oauth.generateRandomState()}+/=`; // base64, as one editor sends it
    const url = new URL(as.authorization_endpoint);
    const parameters = {
      client_id: client.client_id,
      redirect_uri: at,
      response_type: 'code',
      scope: 'mcp',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      resource: server.url,
      ...extra,
    };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
    const person = new Person({ decision });
    const { url: end, page } = await person.visit(url, { stop: (here) => here.href.startsWith(at) });
    assert(end.href.startsWith(at), `ended at ${end.href}: ${page?.slice(0, 300)}`);
    return { verifier, end, answer: () => oauth.validateAuthResponse(as, client, end, state) };
  };
  const redeem = async (client, auth, signIn, { verifier = signIn.verifier, at = redirect, extra } = {}) => {
    const response = await oauth.authorizationCodeGrantRequest(as, client, auth, signIn.answer(), at, verifier, {
      additionalParameters: { resource: server.url, ...extra },
      ...insecure,
    });
    return oauth.processAuthorizationCodeResponse(as, client, response);
  };
  const refresh = async (client, auth, token, extra) => {
    const response = await oauth.refreshTokenGrantRequest(as, client, auth, token, { additionalParameters: extra, ...insecure });
    return oauth.processRefreshTokenResponse(as, client, response);
  };
  /** The refusal must be this OAuth error with this status. */
  const refused = async (status, error, job) => {
    const failure = await job.then(
      () => assert(false, 'it was allowed'),
      (thrown) => thrown,
    );
    if (failure.message === 'it was allowed') throw failure;
    if (failure instanceof oauth.WWWAuthenticateChallengeError) {
      // The answer to wrong Basic credentials has a challenge (RFC 6749 section 5.2); the error is in the body.
      equal(failure.cause[0].scheme, 'basic', 'scheme');
      failure.error = (await failure.response.json()).error;
    }
    equal(`${failure.status} ${failure.error}`, `${status} ${error}`, `refusal (${failure})`);
  };
  const works = async (tokens) => {
    const response = await ask(tokens.access_token);
    assert(response.status !== 401 && response.status !== 403, `status ${response.status}`);
  };
  const dead = (tokens) =>
    ask(tokens.access_token).then(
      () => assert(false, 'the token still works'),
      (failure) => {
        assert(failure.cause?.[0]?.parameters?.error === 'invalid_token', `not an invalid_token challenge: ${failure}`);
      },
    );

  const methods = {
    none: () => oauth.None(),
    client_secret_post: (client) => oauth.ClientSecretPost(client.client_secret),
    client_secret_basic: (client) => oauth.ClientSecretBasic(client.client_secret),
  };
  const clients = {};
  for (const [method, auth] of Object.entries(methods)) {
    await trial.check(`${method}: register, sign in, code, call, refresh, revoke`, async () => {
      const client = await register({
        client_name: 'strict',
        redirect_uris: [redirect],
        token_endpoint_auth_method: method,
        grant_types: ['authorization_code', 'refresh_token'],
      });
      equal(client.token_endpoint_auth_method, method, 'token_endpoint_auth_method');
      assert(!Object.values(client).includes(null), `nulls: ${JSON.stringify(client)}`);
      const how = auth(client);
      clients[method] = [client, how];
      const first = await redeem(client, how, await authorize(client));
      equal(first.scope, 'mcp', 'scope');
      await works(first);
      const second = await refresh(client, how, first.refresh_token, { resource: server.url });
      await works(second);
      assert(second.refresh_token !== first.refresh_token, 'not rotated');
      const response = await oauth.revocationRequest(as, client, how, second.refresh_token, insecure);
      await oauth.processRevocationResponse(response);
      await refused(400, 'invalid_grant', refresh(client, how, second.refresh_token));
      await dead(second);
    });
  }
  assert(clients.none && clients.client_secret_post, 'the clients that the rest needs could not register');
  const [open, none] = clients.none;

  await trial.check('a lapsed access token gets an invalid_token challenge', async () => {
    const tokens = await redeem(open, none, await authorize(open));
    equal(tokens.expires_in, 2, 'expires_in');
    await sleep(3_000);
    await dead(tokens);
    await works(await refresh(open, none, tokens.refresh_token));
  });
  await trial.check('the answer states the granted scope, without unknown ones', async () => {
    const tokens = await redeem(open, none, await authorize(open, { extra: { scope: 'openid mcp offline_access claudeai' } }));
    assert(tokens.scope.split(' ').includes('mcp') && !/openid|claudeai/.test(tokens.scope), tokens.scope);
    assert(tokens.id_token === undefined, 'an ID token');
  });
  await trial.check('a wrong verifier is invalid_grant, and does not use the code up', async () => {
    const signIn = await authorize(open);
    await refused(400, 'invalid_grant', redeem(open, none, signIn, { verifier: oauth.generateRandomCodeVerifier() }));
    await works(await redeem(open, none, signIn));
  });
  await trial.check('a code works once', async () => {
    const signIn = await authorize(open);
    const tokens = await redeem(open, none, signIn);
    await refused(400, 'invalid_grant', redeem(open, none, signIn));
    await works(tokens);
  });
  await trial.check('a code is bound to its redirect URI, its client and its resource', async () => {
    const signIn = await authorize(open);
    await refused(400, 'invalid_grant', redeem(open, none, signIn, { at: redirect.replace('127.0.0.1', 'localhost') }));
    await refused(400, 'invalid_target', redeem(open, none, signIn, { extra: { resource: `${server.base}/other` } }))
      .catch(() => refused(400, 'invalid_grant', redeem(open, none, signIn, { extra: { resource: `${server.base}/other` } })));
    const other = await register({ client_name: 'other', redirect_uris: [redirect], token_endpoint_auth_method: 'none' });
    await refused(400, 'invalid_grant', redeem({ ...other }, none, { ...signIn, answer: () => signIn.answer() }));
    await works(await redeem(open, none, signIn));
  });
  await trial.check('a loopback port may differ from the registered one, a path may not', async () => {
    const at = REDIRECT(await freePort());
    await works(await redeem(open, none, await authorize(open, { at }), { at }));
    const end = await authorize(open, { at: at.replace('callback', 'elsewhere') }).catch((error) => String(error));
    assert(/ended at .*\/oauth\/authorize/.test(end), end);
  });
  await trial.check('a superseded refresh token ends the session after the grace', async () => {
    const tokens = await redeem(open, none, await authorize(open));
    const next = await refresh(open, none, tokens.refresh_token);
    const twin = await refresh(open, none, tokens.refresh_token);
    equal(twin.refresh_token, next.refresh_token, 'the successor inside the grace');
    await sleep(2_000);
    await refused(400, 'invalid_grant', refresh(open, none, tokens.refresh_token));
    await refused(400, 'invalid_grant', refresh(open, none, next.refresh_token));
  });
  await trial.check('a secret that is wrong is invalid_client', async () => {
    const [client] = clients.client_secret_post;
    for (const wrong of [oauth.ClientSecretPost('wrong'), oauth.ClientSecretBasic('wrong'), oauth.None()]) {
      await refused(401, 'invalid_client', refresh(client, wrong, 'anything'));
    }
  });
  await trial.check('an unknown client is invalid_client at the token endpoint', async () => {
    await refused(401, 'invalid_client', refresh({ client_id: 'nobody' }, none, 'anything'));
  });
  await trial.check('no is told to the client, with state and iss', async () => {
    const { answer } = await authorize(open, { decision: 'deny' });
    const failure = (() => {
      try {
        return answer();
      } catch (error) {
        return error;
      }
    })();
    equal(failure.error, 'access_denied', 'error');
  });
  await trial.check('errors of the request are told to the client, with state and iss', async () => {
    const cases = [
      ['invalid_request', { code_challenge: undefined, code_challenge_method: undefined }],
      ['invalid_request', { code_challenge_method: 'plain' }],
      ['unsupported_response_type', { response_type: 'token' }],
      ['invalid_target', { resource: 'https://other.example/mcp' }],
    ];
    for (const [wanted, extra] of cases) {
      const { answer } = await authorize(open, { extra });
      try {
        answer();
        assert(false, `no error for ${JSON.stringify(extra)}`);
      } catch (failure) {
        equal(failure.error, wanted, JSON.stringify(extra));
      }
    }
  });
  await trial.check('an id that this server never saw signs in at a loopback redirect', async () => {
    const client = { client_id: 'kept-from-another-life' };
    const tokens = await redeem(client, none, await authorize(client));
    await works(tokens);
    await works(await refresh(client, none, tokens.refresh_token));
  });
}

export const runs = [lives({ name: 'oauth4webapi', open: protocolApp(library) }), { name: 'oauth4webapi, to the letter', drive: strict }];
