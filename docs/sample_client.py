"""A visitor in Python, after docs/protocol.md: python sample_client.py URL SITE TEXT [--answers N]

Keeps credential, counter and the un-acked text in a msgpack file: run again after a crash, and the same
counter is sent again; the server stores the message exactly once.
"""

import argparse
import asyncio
from pathlib import Path

import aiohttp
import msgpack
import socketio

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("url")
parser.add_argument("site")
parser.add_argument("text")
parser.add_argument("--answers", type=int, default=0, help="wait for that many messages of the agent")
parser.add_argument("--state", type=Path, default=Path("sample-client.msgpack"))


async def credential(url: str, site: str, known: str | None) -> str:
    async with aiohttp.ClientSession() as http:
        body = {"site": site} | ({"credential": known} if known else {})
        async with http.post(f"{url}/v1/visitors/session", json=body) as answer:
            return (await answer.json())["credential"]


async def main() -> None:
    options = parser.parse_args()
    state = msgpack.unpackb(options.state.read_bytes()) if options.state.exists() else {"counter": 0}
    state["credential"] = await credential(options.url, options.site, state.get("credential"))
    if "pending" not in state:
        state |= {"counter": state["counter"] + 1, "pending": options.text}
    options.state.write_bytes(msgpack.packb(state))

    socket, me, answers = socketio.AsyncClient(), asyncio.Queue(), asyncio.Queue()
    socket.on("session.ready", lambda ready: me.put_nowait(ready["participant"]))
    socket.on("chat.posted", lambda posted: answers.put_nowait(posted["message"]))
    auth = {"protocol": 1, "token": state["credential"], "site": options.site, "device": "sample"}
    await socket.connect(options.url, auth=auth, transports=["websocket"])
    participant = await me.get()

    ack = await socket.call("chat.send", {"counter": state["counter"], "text": state.pop("pending")})
    if "error" in ack:
        raise SystemExit(f"refused: {ack['error']['code']}")
    options.state.write_bytes(msgpack.packb(state))
    print(f"stored as seq {ack['seq']} of {ack['engagement']}", flush=True)
    while options.answers:
        message = await answers.get()
        if message["by"] != participant:
            print(f"{message['by']}: {message['text']}", flush=True)
            options.answers -= 1
    await socket.disconnect()


asyncio.run(main())
