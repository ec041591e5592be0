"""An application on the official Python SDK, `mcp`: its OAuth provider over streamable HTTP.

sdk.py URL [METADATA, JSON] [DOCUMENT]; runs on 1.x and on 2.x
"""

import json
import sys
from contextlib import asynccontextmanager
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

from lines import serve, visit
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

URL = sys.argv[1]
METADATA = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
DOCUMENT = {"client_metadata_url": sys.argv[3]} if len(sys.argv) > 3 else {}
REDIRECT = "http://127.0.0.1:49153/callback"  # nobody listens: the person tells where the browser would have gone
ONE = version("mcp").startswith("1.")


class Storage(TokenStorage):
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


@asynccontextmanager
async def session_1(provider):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(URL, auth=provider) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def session_2(provider):
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(auth=provider, timeout=20) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode="auto") as client:
            yield client


class App:
    def __init__(self):
        self.storage = Storage()
        self.provider = self.make_provider()

    def make_provider(self):
        landed = {}

        async def browse(url):
            landed["query"] = {name: values[0] for name, values in parse_qs(urlsplit(await visit(url)).query).items()}

        async def come_back():
            query = landed["query"]
            if ONE:
                return query.get("code", ""), query.get("state")
            from mcp.client.auth import AuthorizationCodeResult

            return AuthorizationCodeResult(code=query.get("code", ""), state=query.get("state"), iss=query.get("iss"))

        return OAuthClientProvider(
            server_url=URL,
            client_metadata=OAuthClientMetadata(redirect_uris=[REDIRECT], client_name="Python application", **METADATA),
            storage=self.storage,
            redirect_handler=browse,
            callback_handler=come_back,
            **DOCUMENT,
        )

    async def whoami(self):
        """One session of MCP for each call; what is kept is kept by the provider and its storage."""
        async with (session_1 if ONE else session_2)(self.provider) as session:
            result = (await session.call_tool("whoami", {})).model_dump()
        assert not result.get("isError") and not result.get("is_error"), result
        return json.loads(result["content"][0]["text"])

    async def plant(self, client_id):
        """Another process, with another's storage."""
        self.storage.tokens = None
        self.storage.client = OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
        )
        self.provider = self.make_provider()


serve(App())
