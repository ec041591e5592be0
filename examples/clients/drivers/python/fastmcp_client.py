"""An application on FastMCP's client, which opens a browser and listens for its return by itself."""

import json
import sys

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore
from lines import serve


class App:
    def __init__(self):
        self.auth = {"token_storage": MemoryStore()}

    async def whoami(self):
        async with Client(sys.argv[1], auth=OAuth(callback_timeout=30, **self.auth)) as client:
            result = await client.call_tool("whoami", {})
        return json.loads(result.content[0].text)

    async def plant(self, client_id):
        self.auth = {"token_storage": MemoryStore(), "client_id": client_id}


serve(App())
