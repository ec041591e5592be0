// What a client sends to begin: a registration, and the address that its person's browser is sent to.

import { equal } from './trial.mjs';

export const CLAUDE = 'https://claude.ai/api/mcp/auth_callback';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

export async function register(base, metadata, via = base) {
  const response = await fetch(`${via}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token_endpoint_auth_method: 'none', ...metadata }),
  });
  const body = await response.json();
  equal(response.status, 201, `registration: ${JSON.stringify(body)}`);
  return body.client_id;
}

export const authorizeUrl = (base, client, redirect, extra = {}) =>
  `${base}/oauth/authorize?${new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: redirect,
    state: 'st+a/te=',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    resource: `${base}/mcp`,
    scope: 'mcp',
    ...extra,
  })}`;
