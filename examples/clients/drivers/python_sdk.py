"""Signs in with the official Python SDK as an application would: its OAuth provider over streamable HTTP."""

import asyncio
import json
import os
import sys
import traceback
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

URL = sys.argv[1]
ORIGIN = "{0.scheme}://{0.netloc}".format(urlsplit(URL))


def report(what, ok, note=""):
    print(json.dumps({"what": what, "ok": ok, "note": str(note)}))


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


class Loopback:
    """Where the browser comes back to."""

    async def __aenter__(self):
        self.answer = asyncio.get_running_loop().create_future()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.redirect = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        await writer.drain()
        writer.close()
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        if not self.answer.done():
            self.answer.set_result(query)


class App:
    """An application, with what it keeps, and a record of the OAuth requests that the SDK made for it."""

    def __init__(self, **metadata):
        self.metadata = metadata
        self.storage = Storage()
        self.requests = []
        self.visits = 0

    async def saw(self, response):
        request = response.request
        path = request.url.path
        if path.endswith(("/token", "/register")) or "/.well-known/" in path:
            body = request.content.decode() if path.endswith("/token") else ""
            grant = parse_qs(body).get("grant_type", [""])[0]
            self.requests.append(f"{path}{':' + grant if grant else ''} {response.status_code}")

    def count(self, text):
        return sum(1 for request in self.requests if text in request)

    @asynccontextmanager
    async def connected(self, mode):
        async with Loopback() as loopback:

            async def browse(url):
                self.visits += 1
                self.query = parse_qs(urlsplit(url).query)
                person = await asyncio.create_subprocess_exec(
                    os.environ["NODE"], os.environ["PERSON"], url, stdout=asyncio.subprocess.PIPE
                )
                out, _ = await person.communicate()
                if person.returncode != 0:
                    raise RuntimeError(out.decode())
                self.visit = json.loads(out)

            async def come_back():
                try:
                    query = await asyncio.wait_for(asyncio.shield(loopback.answer), 5)
                except TimeoutError:
                    raise RuntimeError(f"the browser never came back: {self.visit}") from None
                self.answer = query
                return AuthorizationCodeResult(code=query.get("code", ""), state=query.get("state"), iss=query.get("iss"))

            provider = OAuthClientProvider(
                server_url=URL,
                client_metadata=OAuthClientMetadata(redirect_uris=[AnyUrl(loopback.redirect)], **self.metadata),
                storage=self.storage,
                redirect_handler=browse,
                callback_handler=come_back,
            )
            hooks = {"response": [self.saw]}
            async with httpx2.AsyncClient(auth=provider, timeout=20, event_hooks=hooks) as http:
                async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
                    yield client


async def whoami(client):
    result = await client.call_tool("whoami")
    assert not result.is_error, result
    return result.structured_content or json.loads(result.content[0].text)


async def flow(name, mode, **metadata):
    app = App(**metadata)
    async with app.connected(mode) as client:
        tools = sorted(tool.name for tool in (await client.list_tools()).tools)
        assert {"add", "whoami"} <= set(tools), tools
        me = await whoami(client)
        assert me["email"] == "ada@dev.example", me
        assert me["client_id"] == app.storage.client.client_id, (me, app.storage.client)
        assert app.visits == 1 and app.count("/register 201") == 1, app.requests
        assert app.count("authorization_code 200") == 1, app.requests
        assert app.answer["iss"] == ORIGIN, app.answer
        assert app.storage.tokens.refresh_token, app.storage.tokens
        report(f"{name}: discovers, registers, signs in, calls whoami", True,
               f"protocol {client.protocol_version}, scope {app.storage.tokens.scope}")

        before = app.storage.tokens
        refreshed = app.count("refresh_token 200")
        await asyncio.sleep(3)
        again = await whoami(client)
        assert app.count("refresh_token 200") > refreshed, app.requests
        assert app.storage.tokens.access_token != before.access_token
        assert app.storage.tokens.refresh_token != before.refresh_token, "the refresh token was not rotated"
        assert again == me, (me, again)
        assert app.visits == 1, "the refresh failed: a second sign-in was needed"
        report(f"{name}: refreshes an access token that has lapsed, calls again", True,
               "same client id, connection and session")
    return app, me


async def restarted(app, me):
    """The application starts again with what it kept, at another loopback port."""
    app.requests.clear()
    await asyncio.sleep(2)
    async with app.connected("auto") as client:
        again = await whoami(client)
    # The SDK keeps no expiry beside a token: it meets a 401 then, and signs in rather than refreshes.
    assert app.visits == 2 and app.count("/register") == 0, (app.visits, app.requests)
    assert app.query["redirect_uri"] != [str(app.storage.client.redirect_uris[0])]
    for name in ("client_id", "connection", "platform"):
        assert again[name] == me[name], (me, again)
    assert again["session"] != me["session"], again
    report("a restarted application signs in with the id that it kept", True, "same connection, new session, new port")


async def attempt(what, job):
    try:
        return await asyncio.wait_for(job, 60)
    except BaseException as error:  # an ExceptionGroup hides its causes
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        causes = []
        stack = [error]
        while stack:
            cause = stack.pop()
            stack.extend(getattr(cause, "exceptions", []))
            if not hasattr(cause, "exceptions"):
                causes.append(f"{type(cause).__name__}: {cause}")
        traceback.print_exc()
        report(what, False, "; ".join(causes))


async def main():
    public = {"client_name": "Python application"}
    done = await attempt("public client", flow("public client", "auto", **public))
    if done:
        await attempt("a restarted application signs in with the id that it kept", restarted(*done))
    await attempt("initialize handshake", flow("initialize handshake", "legacy", **public))
    for method in ("client_secret_post", "client_secret_basic"):
        await attempt(method, flow(method, "auto", token_endpoint_auth_method=method, **public))


asyncio.run(main())
