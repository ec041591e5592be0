// The official TypeScript SDK as an application on a desk uses it: 1.x (`@modelcontextprotocol/sdk`), and 2.x
// (`@modelcontextprotocol/client`), with registration and with a metadata document.

import { lives } from '../lib/life.mjs';
import { Loopback } from '../lib/loopback.mjs';
import { assert, load } from '../lib/trial.mjs';

const CODE = 'https://claude.ai/oauth/claude-code-client-metadata';

const one = async () => ({
  ...(await load('@modelcontextprotocol/sdk/client/index.js')),
  ...(await load('@modelcontextprotocol/sdk/client/streamableHttp.js')),
  ...(await load('@modelcontextprotocol/sdk/client/auth.js')),
  finish: (transport, query) => transport.finishAuth(query.get('code')),
});
const two = async () => ({
  ...(await load('@modelcontextprotocol/client')),
  finish: (transport, query) => transport.finishAuth(query),
});

/** What an application keeps, as the SDK wants it. */
class Keeper {
  constructor(redirectUrl, clientMetadataUrl) {
    this.redirectUrl = redirectUrl;
    if (clientMetadataUrl) this.clientMetadataUrl = clientMetadataUrl;
    this.clientMetadata = {
      client_name: 'TypeScript application',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
    this.kept = {};
  }
  state = () => (this.asked = crypto.randomUUID());
  clientInformation = () => this.kept.client;
  saveClientInformation = (client) => void (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = (tokens) => void (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = (verifier) => void (this.kept.verifier = verifier);
  redirectToAuthorization = (url) => void (this.url = url);
  invalidateCredentials = (scope) => {
    const names = { all: ['client', 'tokens', 'verifier'], client: ['client'], tokens: ['tokens'], verifier: ['verifier'] };
    for (const name of names[scope] ?? []) delete this.kept[name];
  };
}

const open = (version, document) => async (trial, site) => {
  const { Client, StreamableHTTPClientTransport, UnauthorizedError, finish } = await version();
  const loopback = await Loopback.open(trial);
  const keeper = new Keeper(loopback.redirect, document);
  let client;

  const connect = async (transport = new StreamableHTTPClientTransport(new URL(site.url), { authProvider: keeper })) => {
    client = new Client({ name: 'application', version: '1.0.0' });
    await client.connect(transport);
  };
  /** What an application does when the SDK says that it sent the person to a browser. */
  const signedIn = async (act) => {
    let transport;
    try {
      return await act((made) => (transport = made));
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      const back = await loopback.signIn(keeper.url);
      assert(back.searchParams.get('state') === keeper.asked, `another state in ${back}`);
      transport ??= new StreamableHTTPClientTransport(new URL(site.url), { authProvider: keeper });
      await finish(transport, back.searchParams);
      await client?.close();
      await connect();
      return act(() => {});
    }
  };
  const call = async () => {
    if (!client?.transport) await connect();
    const { content, isError } = await client.callTool({ name: 'whoami', arguments: {} });
    assert(!isError, JSON.stringify(content));
    return JSON.parse(content[0].text);
  };
  return {
    whoami: () => signedIn(call),
    plant: async (id) => {
      await client.close();
      client = undefined;
      keeper.kept = { client: { client_id: id } };
    },
    close: () => client?.close(),
  };
};

export const runs = [
  lives({ name: 'TypeScript SDK 1.x', open: open(one) }),
  lives({ name: 'TypeScript SDK 2.x', open: open(two) }),
  lives({ name: 'TypeScript SDK 2.x, document', document: CODE, env: { DCR_CIMD: 'on' }, open: open(two, CODE) }),
];
