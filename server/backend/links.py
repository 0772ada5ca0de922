"""The post between nodes: one TCP stream from each node to each other, frames with a length before them.

Both ends prove that they know the cluster's key before anything is read (a challenge and an HMAC each
way); what goes over it is not encrypted: links belong on a private network (docs/scaling.md). A stream
keeps order; what is on its way when it breaks is lost, and both ends are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from server.backend import NodeInfo
from signaling.errors import BackendUnavailable
from signaling.protocol import NodeId

logger = logging.getLogger(__name__)

MAX_FRAME = 16 * 1024 * 1024
MAX_WAITING = 32 * 1024 * 1024
MAX_INBOX = 10_000
HELLO_S = 1.0
AGAIN_S = 0.1
_LENGTH = struct.Struct("!I")


class LinkUsers(Protocol):
    """Who is told of links (redis_bus.py). refused: nobody listens there, so the node's process is gone."""

    def link_up(self, node: NodeId) -> None: ...
    def link_down(self, node: NodeId) -> None: ...
    def link_refused(self, node: NodeId) -> None: ...


class _Hello(Struct, frozen=True, array_like=True):
    node: NodeId
    nonce: bytes


class Links:
    """All streams of this node; their tasks live on the given TaskGroup."""

    def __init__(self, me: NodeId, key: bytes, tasks: asyncio.TaskGroup) -> None:
        self._me = me
        self._key = hmac.digest(key, b"node links", "sha256")
        self._tasks = tasks
        self._server: asyncio.Server | None = None
        self._dialing: dict[NodeId, asyncio.Task[None]] = {}
        self._out: dict[NodeId, asyncio.StreamWriter] = {}
        self._in: dict[NodeId, asyncio.StreamWriter] = {}
        self._refused: set[NodeId] = set()
        self._more = asyncio.Event()
        self.inbox: asyncio.Queue[tuple[NodeId, bytes]] = asyncio.Queue(MAX_INBOX)
        self.users: LinkUsers | None = None

    async def listen(self, host: str, port: int) -> int:
        """The port that was taken (port 0: any). Raises: OSError."""
        self._server = await asyncio.start_server(self._accept, host, port, backlog=256)
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    def close(self) -> None:
        for dialing in self._dialing.values():
            dialing.cancel()
        for writer in (*self._out.values(), *self._in.values()):
            writer.transport.abort()
        if self._server is not None:
            self._server.close()

    # --- towards others -----------------------------------------------------------------------

    def join(self, node: NodeInfo) -> None:
        """Keep a stream to this node until `leave`."""
        if node.id not in self._dialing:
            dialing = self._tasks.create_task(self._dial(node), name=f"link-{node.id}")
            self._dialing[node.id] = dialing

    def leave(self, node: NodeId) -> None:
        if (dialing := self._dialing.pop(node, None)) is not None:
            dialing.cancel()
        self._refused.discard(node)
        for streams in (self._out, self._in):
            if (writer := streams.pop(node, None)) is not None:
                writer.transport.abort()
        self._changed()

    def refuses(self, node: NodeId) -> bool:
        """Its machine says that nobody listens there."""
        return node in self._refused

    async def reach(self, node: NodeId, seconds: float) -> None:
        """Wait until there is a stream, also to a node that we have not heard of yet.

        Not to one that left, or where nobody listens.

        Raises: BackendUnavailable.
        """
        try:
            async with asyncio.timeout(seconds):
                while node not in self._out:
                    if node in self._refused:
                        raise TimeoutError
                    known = node in self._dialing
                    await self._more.wait()
                    if known and node not in self._dialing:
                        raise TimeoutError
        except TimeoutError:
            raise BackendUnavailable("no link", node) from None

    def send(self, node: NodeId, envelope: bytes) -> None:
        """Raises: BackendUnavailable without a stream, or when too much waits in it (it is then cut)."""
        writer = self._out.get(node)
        if writer is None or writer.transport.is_closing():
            raise BackendUnavailable("no link", node)
        if writer.transport.get_write_buffer_size() > MAX_WAITING or len(envelope) > MAX_FRAME:
            writer.transport.abort()
            raise BackendUnavailable("link is full", node)
        try:
            writer.write(_LENGTH.pack(len(envelope)) + envelope)
        except RuntimeError as closed:  # uvloop's word for a transport that has just ended
            raise BackendUnavailable("no link", node) from closed

    async def _dial(self, node: NodeInfo) -> None:
        host, _, port = node.link.rpartition(":")
        while True:
            try:
                async with asyncio.timeout(HELLO_S):
                    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                    try:
                        _watch(writer)
                        await self._prove(node.id, reader, writer)
                    except BaseException:
                        writer.transport.abort()
                        raise
            except ConnectionRefusedError:
                self._refused.add(node.id)
                self._changed()
                self._tell("link_refused", node.id)
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                pass
            else:
                await self._hold(node.id, reader, writer)
            await asyncio.sleep(AGAIN_S)

    async def _prove(self, node: NodeId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say who we are, and be sure that it is this node that answers. Raises: ConnectionError."""
        nonce = secrets.token_bytes(16)
        _write(writer, msgspec.msgpack.encode(_Hello(self._me, nonce)))
        theirs = msgspec.msgpack.decode(await _read(reader, 256), type=_Hello)
        proof = await _read(reader, 64)
        if theirs.node != node or not hmac.compare_digest(proof, self._mac(b"answers", nonce, node)):
            raise ConnectionError("another node is there, or it does not know the key")
        _write(writer, self._mac(b"calls", theirs.nonce, self._me))

    async def _hold(self, node: NodeId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._out[node] = writer
        self._refused.discard(node)
        self._changed()
        self._tell("link_up", node)
        with contextlib.suppress(OSError):
            await reader.read(1)  # nothing comes this way but the end
        writer.transport.abort()
        if self._out.get(node) is writer:
            del self._out[node]
            self._tell("link_down", node)

    # --- from others --------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node: NodeId | None = None
        try:
            async with asyncio.timeout(HELLO_S):
                _watch(writer)
                node = await self._admit(reader, writer)
            if (before := self._in.get(node)) is not None:
                before.transport.abort()  # it knows of a break that we have not seen
                self._tell("link_down", node)
            self._in[node] = writer
            while True:
                await self.inbox.put((node, await _read(reader, MAX_FRAME)))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError):
            pass
        finally:
            writer.transport.abort()
            if node is not None and self._in.get(node) is writer:
                del self._in[node]
                if (out := self._out.get(node)) is not None:
                    out.transport.abort()  # both ways begin anew, so both ends know what they missed
                self._tell("link_down", node)

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> NodeId:
        """Raises: ConnectionError when who calls does not know the key."""
        hello = msgspec.msgpack.decode(await _read(reader, 256), type=_Hello)
        nonce = secrets.token_bytes(16)
        _write(writer, msgspec.msgpack.encode(_Hello(self._me, nonce)))
        _write(writer, self._mac(b"answers", hello.nonce, self._me))
        if not hmac.compare_digest(await _read(reader, 64), self._mac(b"calls", nonce, hello.node)):
            logger.warning("a link without the cluster's key was refused")
            raise ConnectionError("wrong key")
        return hello.node

    def _mac(self, role: bytes, nonce: bytes, node: NodeId) -> bytes:
        return hmac.digest(self._key, role + nonce + node.encode(), "sha256")

    def _changed(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    def _tell(self, what: str, node: NodeId) -> None:
        if self.users is not None:
            told: Callable[[NodeId], None] = getattr(self.users, what)
            told(node)


def _watch(writer: asyncio.StreamWriter) -> None:
    """A link that says nothing is found out within seconds: unanswered bytes, unanswered probes."""
    beneath: socket.socket = writer.get_extra_info("socket")
    beneath.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("USER_TIMEOUT", 2_000), ("KEEPIDLE", 1), ("KEEPINTVL", 1), ("KEEPCNT", 2)):
        if (number := getattr(socket, f"TCP_{option}", None)) is not None:
            beneath.setsockopt(socket.IPPROTO_TCP, number, value)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(_LENGTH.pack(len(frame)) + frame)


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    """The next frame. Raises: ConnectionError for one that is longer than allowed."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > most:
        raise ConnectionError("frame too long")
    return await reader.readexactly(length)
