"""A bad network for TCP in user space: delay, jitter, a bottleneck, and cuts that stall or reset.

A byte stream cannot lose, double or reorder what a relay has accepted, so those settings are for UDP only
(a lost segment shows to TCP as delay: use jitter). Backpressure is kept: a direction takes no more than
MAX_WAITING chunks. In a cut with `resets`, whoever sends is reset and who connects is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import Any, Self

from benchmarks.impairment import Link
from benchmarks.relay import Address, Relay

CHUNK_BYTES = 4_096
MAX_WAITING = 256
CONNECT_S = 10.0
CUT_LOOK_S = 0.1


class TcpRelay(Relay):
    """`async with TcpRelay(target) as relay`: connect to `relay.port` instead of `target`.

    Raises: OSError when the port is taken.
    """

    prefix = "tcp-"

    def __init__(self, target: Address, **settings: Any) -> None:
        """settings: as Relay."""
        super().__init__(target, **settings)
        self.resets = False
        self._server: asyncio.Server | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._began_s = asyncio.get_running_loop().time()
        self._server = await asyncio.start_server(self._accept, *self._listen)
        self._tasks = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None and self._tasks is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None, "the relay is not open"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        return len(self._open)

    def reset(self) -> None:
        """Every connection ends with a reset, now."""
        for task, writer in self._open.items():
            _reset(writer)
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._tasks is not None
        task = self._tasks.create_task(self._serve(reader, writer), name="relayed connection")
        self._open[task] = writer
        task.add_done_callback(lambda task: self._open.pop(task))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; an error of either side ends it, and only it."""
        up, down = self.up.link(), self.down.link()
        far_writer: asyncio.StreamWriter | None = None
        try:
            await self._passable(up)
            async with asyncio.timeout(CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(*self.target)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer, up), name="up")
                both.create_task(self._pump(far_reader, writer, down), name="down")
        except* (OSError, TimeoutError):
            _reset(writer)
            if far_writer is not None:
                _reset(far_writer)
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    end.close()
            self.up.forget(up)
            self.down.forget(down)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        """Chunks wait in a bounded queue until they are due; the end of the stream travels as they do."""
        loop = asyncio.get_running_loop()
        waiting: deque[tuple[float, bytes]] = deque()
        more, room = asyncio.Event(), asyncio.Event()
        room.set()

        async def let_out() -> None:
            while True:
                await more.wait()
                due_s, data = waiting[0]
                await asyncio.sleep(self._began_s + due_s - loop.time())
                await self._passable(link)
                waiting.popleft()
                room.set()
                if not waiting:
                    more.clear()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        async with asyncio.TaskGroup() as group:
            group.create_task(let_out(), name="let out")
            data = b"?"
            while data:
                await room.wait()
                data = await reader.read(CHUNK_BYTES)
                waiting.append((link.carry(loop.time() - self._began_s, len(data)), data))
                more.set()
                if len(waiting) >= MAX_WAITING:
                    room.clear()

    async def _passable(self, link: Link) -> None:
        """Wait for the end of a cut. Raises: ConnectionResetError if a cut resets."""
        loop = asyncio.get_running_loop()
        while (until_s := link.cut_until(loop.time() - self._began_s)) is not None:
            if self.resets:
                link.counts.cut += 1
                raise ConnectionResetError
            left_s = until_s - (loop.time() - self._began_s)
            await asyncio.sleep(min(CUT_LOOK_S, max(0.0, left_s)))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side gets a reset, not an end of the stream."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it is closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
