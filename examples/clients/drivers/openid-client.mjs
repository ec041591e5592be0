// `openid-client`, a certified relying party.

import { lives } from '../lib/life.mjs';
import { discoverResource, protocolApp } from '../lib/protocol.mjs';
import { load } from '../lib/trial.mjs';

async function library(url) {
  const openid = await load('openid-client');
  const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
  const { resource, issuer } = await discoverResource(url);
  const scope = 'mcp';
  const config = (client) => openid.discovery(new URL(issuer), client.client_id, undefined, openid.None(), options);
  return {
    register: async (redirect) => {
      const metadata = { client_name: 'openid-client', redirect_uris: [redirect], token_endpoint_auth_method: 'none' };
      const made = await openid.dynamicClientRegistration(new URL(issuer), metadata, openid.None(), options);
      return made.clientMetadata();
    },
    begin: async (client, redirect_uri) => {
      const verifier = openid.randomPKCECodeVerifier();
      const state = openid.randomState();
      const parameters = {
        redirect_uri,
        scope,
        resource,
        state,
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      };
      return { verifier, state, url: openid.buildAuthorizationUrl(await config(client), parameters).href };
    },
    finish: async (client, redirect, { verifier, state }, landed) =>
      openid.authorizationCodeGrant(await config(client), landed, { pkceCodeVerifier: verifier, expectedState: state }, { resource }),
    refresh: async (client, token) => openid.refreshTokenGrant(await config(client), token, { resource }),
  };
}

// The ids of these clients are the URLs of their metadata documents; the server has copies of them. The programs behind
// them are not here, so this one comes with their ids and their redirect URIs.
const there = (uri) => () => uri;
const port = (path) => (loopback) => new URL(path, loopback.redirect).href;
const DOCUMENTS = [
  ['Claude', 'https://claude.ai/oauth/mcp-oauth-client-metadata', there('https://claude.ai/api/mcp/auth_callback')],
  ['Claude Code', 'https://claude.ai/oauth/claude-code-client-metadata', port('/callback')],
  ['ChatGPT', 'https://chatgpt.com/oauth/client.json', there('https://chatgpt.com/connector_platform_oauth_redirect')],
  ['Codex', 'https://chatgpt.com/oauth/codex/client.json', port('/callback')],
  ['VS Code', 'https://vscode.dev/oauth/client-metadata.json', port('/')],
  ['VS Code for the web', 'https://vscode.dev/oauth/client-metadata.json', there('https://vscode.dev/redirect')],
];

export const runs = [
  lives({ name: 'openid-client', open: protocolApp(library) }),
  ...DOCUMENTS.map(([name, id, redirect]) =>
    lives({
      name: `document of ${name}`,
      document: id,
      env: { DCR_CIMD: 'on' },
      open: protocolApp(library, { id, redirect }),
    }),
  ),
];
