"""A bad link for one WebSocket path, message by message: lost, doubled, out of order, and cut.

TCP never does that to a WebSocket, so this is harsher than any network: it shows that the stream's own
numbers find every gap. HELLO, WELCOME and BYE pass, as there is no link without them; no compression is
agreed on, so each message can be read. It runs in a thread of its own, for tests that drive a browser.
Source: docs/cobrowse_wire.md.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from cobrowse.frames import Items, decode
from cobrowse.ops import CODES, MAX_FRAME_BYTES, SIDE

HELD_S = 0.03
_PASSING = frozenset({SIDE["HELLO"], SIDE["WELCOME"], SIDE["BYE"]})
_NAMES = {code: name for name, code in SIDE.items()}
Send = Callable[[bytes], Awaitable[None]]
Socket = web.WebSocketResponse | ClientWebSocketResponse


class MessageRelay:
    """`with MessageRelay(port) as relay`: connect to `relay.port` instead of `port`.

    harm: rate of messages that are lost, doubled or swapped, each a third. counts: `frames`, `snapshots`,
    `hashes`, `lost`, `doubled`, `swapped`, `cuts`, and `NEED reason` for every snapshot the server asked for.
    """

    def __init__(self, target: int, *, seed: int = 1) -> None:
        self.harm = 0.0
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._target = target
        self._random = random.Random(seed)
        self._sockets: set[Socket] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="message relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def cut(self) -> None:
        """Every connection ends without a word; what is on its way is lost."""
        done = threading.Event()

        def abort() -> None:
            for socket in list(self._sockets):
                _abort(socket)
            self.counts["cuts"] += 1
            done.set()

        self._loop.call_soon_threadsafe(abort)
        assert done.wait(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._connect)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._over.wait()
        for socket in list(self._sockets):
            _abort(socket)
        await runner.cleanup()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse(compress=False, max_msg_size=MAX_FRAME_BYTES)
        await near.prepare(request)
        passed = {name: request.headers[name] for name in ("Origin", "User-Agent") if name in request.headers}
        async with (
            ClientSession() as session,
            session.ws_connect(
                f"http://127.0.0.1:{self._target}{request.path_qs}",
                headers=passed,
                compress=0,
                max_msg_size=MAX_FRAME_BYTES,
            ) as far,
        ):
            self._sockets |= {near, far}
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(near, far), name="up")
                    both.create_task(self._pump(far, near), name="down")
            except* ConnectionError:
                pass
            finally:
                self._sockets -= {near, far}
        return near

    async def _pump(self, source: Socket, sink: Socket) -> None:
        held: list[bytes] = []

        async def let_go() -> None:
            for data in held[:]:
                held.remove(data)
                await sink.send_bytes(data)

        while True:
            try:
                async with asyncio.timeout(HELD_S if held else None):
                    message = await source.receive()
            except TimeoutError:
                await let_go()
                continue
            if message.type is not WSMsgType.BINARY:
                break
            items = decode(message.data)
            self._note(items)
            copies, wait = self._fate(items)
            if wait and not held:
                held.append(message.data)
                continue
            for _ in range(copies):
                await sink.send_bytes(message.data)
            await let_go()
        await sink.close(code=source.close_code or 1001)
        _abort(sink)

    def _note(self, items: Items) -> None:
        if items[0] > 0:
            self.counts["frames"] += 1
            self.counts["snapshots"] += len(items) > 1 and items[1] == CODES["SNAP"]
            self.counts["hashes"] += len(items) > 4 and items[-4] == CODES["HASH"]
        elif items[1] == SIDE["NEED"]:
            self.counts[f"NEED {items[2]}"] += 1

    def _fate(self, items: Items) -> tuple[int, bool]:
        """How often the message goes out, and whether the next one may overtake it."""
        dice = self._random.random()
        if dice >= self.harm or (items[0] == 0 and items[1] in _PASSING):
            return 1, False
        fate = ("lost", "doubled", "swapped")[int(dice / self.harm * 3)]
        self.counts[fate] += 1
        return {"lost": 0, "doubled": 2, "swapped": 1}[fate], fate == "swapped"


def _abort(socket: Socket) -> None:
    """The transport ends: the other side sees a lost connection, not a goodbye."""
    if isinstance(socket, web.WebSocketResponse):
        transport = socket._req.transport if socket._req is not None else None
    else:
        transport = socket._conn.transport if socket._conn is not None else None
    if transport is not None:
        transport.abort()
