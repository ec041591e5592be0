"""How a driver in Python talks to the suite: a JSON object a line, in and out (lib/program.mjs)."""

import asyncio
import json
import sys
import traceback


def say(message):
    print(json.dumps(message), flush=True)


async def hear():
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line) if line else None


async def visit(url):
    """A person signs in; answers where the browser went in the end."""
    say({"visit": str(url)})
    return (await hear())["landed"]


def causes(error):
    """An ExceptionGroup hides what went wrong."""
    inner = getattr(error, "exceptions", None)
    return [text for e in inner for text in causes(e)] if inner else [f"{type(error).__name__}: {error}"]


def serve(app):
    """`app` has coroutines `whoami()` and `plant(id)`."""

    async def loop():
        while (command := await hear()) is not None:
            try:
                if command["do"] == "whoami":
                    answer = await asyncio.wait_for(app.whoami(), 60)
                else:
                    answer = await app.plant(command["id"])
                say({"answer": answer})
            except Exception as error:
                traceback.print_exc()
                say({"error": "; ".join(causes(error))})

    asyncio.run(loop())
