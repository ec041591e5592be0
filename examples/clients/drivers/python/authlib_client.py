"""A protocol client on Authlib: it signs in, refreshes and reads refusals; what to do then is the application's."""

import json
import sys

import httpx
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.common.security import generate_token
from lines import serve, visit

URL = sys.argv[1]
REDIRECT = "http://127.0.0.1:49154/callback"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "authlib", "version": "1"}},
}


def message(response):
    """JSON, or the one event of a stream that has data."""
    text = response.text
    if "text/event-stream" in response.headers["content-type"]:
        text = next(line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip())
    return json.loads(text)


class BadToken(Exception):
    """RFC 6750 section 3.1."""


def good(response):
    if response.status_code == 401:
        raise BadToken(response.headers.get("www-authenticate"))
    response.raise_for_status()


class App:
    client_id = None
    oauth = None

    async def discover(self):
        async with httpx.AsyncClient() as http:
            challenge = (await http.post(URL, json={})).headers["www-authenticate"]
            resource = (await http.get(challenge.split('resource_metadata="')[1].split('"')[0])).json()
            issuer = resource["authorization_servers"][0]
            self.server = (await http.get(f"{issuer}/.well-known/oauth-authorization-server")).json()
            self.resource = resource["resource"]

    async def register(self):
        metadata = {"client_name": "Authlib", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
        async with httpx.AsyncClient() as http:
            answer = await http.post(self.server["registration_endpoint"], json=metadata)
        answer.raise_for_status()
        self.client_id = answer.json()["client_id"]

    async def sign_in(self):
        await self.discover()
        if self.client_id is None:
            await self.register()
        self.oauth = AsyncOAuth2Client(
            self.client_id,
            redirect_uri=REDIRECT,
            scope="mcp",
            token_endpoint=self.server["token_endpoint"],
            token_endpoint_auth_method="none",
            code_challenge_method="S256",
            leeway=1,
        )
        verifier = generate_token(48)
        url, state = self.oauth.create_authorization_url(
            self.server["authorization_endpoint"], code_verifier=verifier, resource=self.resource
        )
        assert create_s256_code_challenge(verifier) in url, url
        landed = await visit(url)
        await self.oauth.fetch_token(authorization_response=landed, state=state, code_verifier=verifier)

    async def call(self):
        headers = {"accept": "application/json, text/event-stream"}
        hello = await self.oauth.post(URL, json=HELLO, headers=headers)
        good(hello)
        if session := hello.headers.get("mcp-session-id"):
            headers["mcp-session-id"] = session
            await self.oauth.post(
                URL, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers
            )
        answer = await self.oauth.post(URL, json=CALL, headers=headers)
        good(answer)
        return json.loads(message(answer)["result"]["content"][0]["text"])

    async def whoami(self):
        if self.oauth is not None:
            try:
                return await self.call()
            except OAuthError as error:
                # RFC 6749 section 5.2: the grant is gone, or the client is.
                if error.error == "invalid_client":
                    self.client_id = None
                elif error.error != "invalid_grant":
                    raise
            except BadToken:
                pass
        await self.sign_in()
        return await self.call()

    async def plant(self, client_id):
        self.client_id = client_id
        self.oauth = None


serve(App())
