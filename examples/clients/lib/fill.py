"""People for a server with the development login: signs in everybody it offers with two clients, and has one refused.

Prints ids of what is there then, as assignments for a shell.
"""

import html
import json
import re
import sys
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REDIRECTS = ["https://claude.ai/api/mcp/auth_callback", "http://127.0.0.1/callback"]


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    def __init__(self):
        self.opener = build_opener(Stay, HTTPCookieProcessor(CookieJar()))

    def ask(self, url, form=None):
        data = urlencode(form).encode() if form is not None else None
        request = Request(url, data, {"accept": "text/html"})
        try:
            answer = self.opener.open(request)
        except HTTPError as error:
            answer = error
        return answer.headers.get("location"), answer.read().decode()


def posted(url, body, kind):
    data = json.dumps(body).encode() if kind == "application/json" else urlencode(body).encode()
    with build_opener().open(Request(url, data, {"content-type": kind})) as answer:
        return json.load(answer)


def sign_in(server, client, redirect, person):
    browser = Browser()
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "state",
    }
    _, page = browser.ask(f"{server}/oauth/authorize?{urlencode(query)}")
    sealed = html.unescape(re.search(r'name="?request"?[^>]*value="?([^">\s]+)', page)[1])
    login, _ = browser.ask(f"{server}/oauth/consent", {"request": sealed, "decision": "approve"})
    if person is None:
        _, page = browser.ask(login)
        return re.findall(r'name=user value="([^"]+)"', page)
    back, _ = browser.ask(login, {"user": person})
    if back is None:
        return None
    client_location, _ = browser.ask(back)
    code = parse_qs(urlsplit(client_location or "").query).get("code")
    if code is None:
        return None
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "redirect_uri": redirect,
        "code": code[0],
        "code_verifier": VERIFIER,
    }
    return posted(f"{server}/oauth/token", form, "application/x-www-form-urlencoded")


def asked(url, headers):
    try:
        with build_opener().open(Request(url, None, headers)) as answer:
            return json.load(answer)
    except HTTPError as error:
        return json.load(error)


def main(server, token):
    clients = []
    for redirect in REDIRECTS:
        metadata = {"client_name": "Fill", "redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
        registered = posted(f"{server}/oauth/register", metadata, "application/json")
        clients.append((registered["client_id"], redirect))
    signed_in = 0
    for person in sign_in(server, *clients[0], None):
        for client, redirect in clients:
            signed_in += sign_in(server, client, redirect, person) is not None
    assert signed_in > 0
    print(f"{signed_in} sign-ins", file=sys.stderr)

    def read(path):
        return asked(f"{server}/oauth/admin/api/v1/{path}", {"authorization": f"Bearer {token}"})["items"][0]

    user = read("users")["user_id"]
    connection = read(f"users/{user}/connections")["connection_id"]
    session = read(f"connections/{connection}/sessions")["session_id"]
    unknown = urlencode({"client_id": "nobody", "redirect_uri": "https://evil.example/"})
    refused = asked(f"{server}/oauth/authorize?{unknown}", {"accept": "application/json"})
    for name, value in [
        ("USER_ID", user),
        ("CONNECTION_ID", connection),
        ("SESSION_ID", session),
        ("REFERENCE", refused["reference"]),
    ]:
        print(f"export DCR_{name}={value}")


main(*sys.argv[1:])
