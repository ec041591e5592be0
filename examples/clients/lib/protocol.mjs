// An application on a library that knows OAuth and nothing of MCP: what it keeps, and what it does about a refusal.

import { Loopback } from './loopback.mjs';
import { land } from './program.mjs';
import { assert } from './trial.mjs';

/** Somebody told the application that its token is no good (RFC 6750 section 3.1). */
export class BadToken extends Error {}

/** Calls a tool with a bearer token: JSON-RPC, as far as it is needed. */
export async function callTool(url, token, name) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = async (message) => {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', ...message }) });
    if (response.status === 401) throw new BadToken(response.headers.get('www-authenticate'));
    assert(response.ok, `${message.method}: status ${response.status}`);
    return response;
  };
  const clientInfo = { name: 'application', version: '1' };
  const hello = await post({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } });
  const session = hello.headers.get('mcp-session-id');
  if (session) headers['mcp-session-id'] = session;
  await hello.text();
  await (await post({ method: 'notifications/initialized' })).text();
  const text = await (await post({ id: 2, method: 'tools/call', params: { name, arguments: {} } })).text();
  const line = text.startsWith('{') ? text : text.split('\n').find((part) => part.startsWith('data:') && part.slice(5).trim());
  return JSON.parse(JSON.parse(line.replace(/^data:/, '')).result.content[0].text);
}

/** The metadata of the resource that a challenge names, and its authorization server. */
export async function discoverResource(url) {
  const challenge = (await fetch(url, { method: 'POST' })).headers.get('www-authenticate');
  const document = await (await fetch(/resource_metadata="([^"]+)"/.exec(challenge)[1])).json();
  return { resource: document.resource, issuer: document.authorization_servers[0] };
}

/**
 * `library(url)` answers `{ register(redirect), begin(client, redirect), finish(client, redirect, begun, landed), refresh(client, token) }`,
 * the last two with tokens; errors carry OAuth's `error`. `fixed`: `{ id, redirect? }` of a client that does not register.
 */
export const protocolApp = (library, fixed = {}) => async (trial, site) => {
  const redirect = fixed.redirect?.(await Loopback.open(trial)) ?? (await Loopback.open(trial)).redirect;
  let made;
  let client = fixed.id && { client_id: fixed.id };
  let tokens;

  const signIn = async () => {
    made ??= await library(site.url);
    client ??= await made.register(redirect);
    const begun = await made.begin(client, redirect);
    tokens = await made.finish(client, redirect, begun, new URL(await land(begun.url)));
  };
  const call = async () => {
    try {
      return await callTool(site.url, tokens.access_token, 'whoami');
    } catch (error) {
      if (!(error instanceof BadToken)) throw error;
      tokens = await made.refresh(client, tokens.refresh_token);
      return callTool(site.url, tokens.access_token, 'whoami');
    }
  };
  return {
    whoami: async () => {
      if (!tokens) {
        await signIn();
        return call();
      }
      try {
        return await call();
      } catch (error) {
        // RFC 6749 section 5.2: the grant is gone, or the client is.
        if (error.error === 'invalid_client') client = fixed.id && { client_id: fixed.id };
        else if (error.error !== 'invalid_grant') throw error;
        await signIn();
        return call();
      }
    },
    plant: (id) => {
      client = { client_id: id };
      tokens = undefined;
    },
  };
};
