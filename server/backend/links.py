"""The post between nodes: one TCP stream from each node to each other, frames with a length before them.

Both ends prove that they know the cluster's key before anything is read (a challenge and an HMAC each
way); what goes over it is not encrypted: links belong on a private network (docs/scaling.md). A stream
keeps order; what is on its way when it breaks is lost, and both ends are told. Who knocks gets a stream of
its own in the same way, and speaks HTTP to the other node through it.
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
PULSE_S = 0.25
UNANSWERED_MS = 700
PATIENT_MS = 30_000  # of who knocks: a reader that is slow on purpose looks like one that does not answer
BROKEN_S = 0.3  # one that broke is there again within so long, or not soon
_ANSWERS, _CALLS, _KNOCKS = b"answers", b"calls", b"knocks"
_FAULTS = (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError)
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
        self._known: dict[NodeId, NodeInfo] = {}
        self._dialing: dict[NodeId, asyncio.Task[None]] = {}
        self._out: dict[NodeId, asyncio.StreamWriter] = {}
        self._in: dict[NodeId, asyncio.StreamWriter] = {}
        self._refused: set[NodeId] = set()
        self._had: set[NodeId] = set()
        self._more = asyncio.Event()
        # a writer that nobody keeps closes its stream
        self._guests: set[asyncio.StreamWriter] = set()
        self.door: Callable[[], asyncio.BaseProtocol] | None = None
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
        for writer in (*self._out.values(), *self._in.values(), *self._guests):
            writer.transport.abort()
        if self._server is not None:
            self._server.close()

    # --- towards others -----------------------------------------------------------------------

    def join(self, node: NodeInfo) -> None:
        """Keep a stream to this node until `leave`."""
        if node.id not in self._dialing:
            self._known[node.id] = node
            dialing = self._tasks.create_task(self._dial(node), name=f"link-{node.id}")
            self._dialing[node.id] = dialing

    def leave(self, node: NodeId) -> None:
        self._known.pop(node, None)
        if (dialing := self._dialing.pop(node, None)) is not None:
            dialing.cancel()
        self._refused.discard(node)
        self._had.discard(node)
        for streams in (self._out, self._in):
            if (writer := streams.pop(node, None)) is not None:
                writer.transport.abort()
        self._changed()

    def refuses(self, node: NodeId) -> bool:
        """Its machine says that nobody listens there."""
        return node in self._refused

    def linked(self) -> frozenset[NodeId]:
        """To whom there is a stream."""
        return frozenset(self._out)

    def had(self, node: NodeId) -> bool:
        """Has there been a stream since it joined?"""
        return node in self._had

    async def reach(self, node: NodeId, seconds: float) -> None:
        """Wait until there is a stream, also to a node that we have not heard of yet.

        Not to one that left, or where nobody listens; BROKEN_S where there was one.
        Raises: BackendUnavailable.
        """
        try:
            async with asyncio.timeout(min(seconds, BROKEN_S) if node in self._had else seconds):
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

    async def knock(self, node: NodeId) -> asyncio.StreamWriter:
        """A stream to what stands behind that node's door; keep it. Raises: BackendUnavailable."""
        if (known := self._known.get(node)) is None:
            raise BackendUnavailable("no link", node)
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(HELLO_S):
                reader, writer = await self._open(known, _KNOCKS)
                await _read(reader, 0)  # from here on it is read by whoever stands there
                _wait_longer(writer)
        except _FAULTS:
            if writer is not None:
                writer.transport.abort()
            raise BackendUnavailable("not let in", node) from None
        return writer

    async def _dial(self, node: NodeInfo) -> None:
        while True:
            try:
                async with asyncio.timeout(HELLO_S):
                    reader, writer = await self._open(node, _CALLS)
            except ConnectionRefusedError:
                self._refused.add(node.id)
                self._changed()
                self._tell("link_refused", node.id)
            except _FAULTS:
                pass
            else:
                await self._hold(node.id, reader, writer)
            await asyncio.sleep(AGAIN_S)

    async def _open(self, node: NodeInfo, role: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises: _FAULTS."""
        host, _, port = node.link.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            _watch(writer)
            await self._prove(node.id, role, reader, writer)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _prove(
        self, node: NodeId, role: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Say who we are, and be sure that it is this node that answers. Raises: ConnectionError."""
        nonce = secrets.token_bytes(16)
        _write(writer, msgspec.msgpack.encode(_Hello(self._me, nonce)))
        theirs = msgspec.msgpack.decode(await _read(reader, 256), type=_Hello)
        proof = await _read(reader, 64)
        if theirs.node != node or not hmac.compare_digest(proof, self._mac(_ANSWERS, nonce, node)):
            raise ConnectionError("another node is there, or it does not know the key")
        _write(writer, self._mac(role, theirs.nonce, self._me))

    async def _hold(self, node: NodeId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._out[node] = writer
        self._had.add(node)
        self._refused.discard(node)
        self._changed()
        self._tell("link_up", node)
        with contextlib.suppress(OSError):
            await _until_end(reader, writer)
        writer.transport.abort()
        if self._out.get(node) is writer:
            del self._out[node]
            self._end_theirs(node)
            self._tell("link_down", node)

    def _end_theirs(self, node: NodeId) -> None:
        """It would find out by itself, later: both ways begin anew, and nobody is told twice."""
        if (theirs := self._in.pop(node, None)) is not None:
            theirs.transport.abort()

    # --- from others --------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node: NodeId | None = None
        try:
            async with asyncio.timeout(HELLO_S):
                _watch(writer)
                caller, role = await self._admit(reader, writer)
            if role == _KNOCKS:
                self._let_in(writer)
                return
            node = caller
            if (before := self._in.get(node)) is not None:
                before.transport.abort()  # it knows of a break that we have not seen
                self._tell("link_down", node)
            self._in[node] = writer
            while True:
                frame = await _read(reader, MAX_FRAME)
                if self._in.get(node) is not writer:
                    return  # given up, and whoever sent this is told
                if frame:
                    await self.inbox.put((node, frame))
        except _FAULTS:
            pass
        finally:
            if writer not in self._guests:
                writer.transport.abort()
            if node is not None and self._in.get(node) is writer:
                del self._in[node]
                if (out := self._out.get(node)) is not None:
                    out.transport.abort()  # both ways begin anew, so both ends know what they missed
                self._tell("link_down", node)

    def _let_in(self, writer: asyncio.StreamWriter) -> None:
        """Raises: ConnectionError while nobody stands behind the door."""
        if self.door is None:
            raise ConnectionError("no door")
        host = self.door()
        self._guests = {guest for guest in self._guests if not guest.transport.is_closing()} | {writer}
        _write(writer, b"")
        _wait_longer(writer)
        writer.transport.set_protocol(host)
        host.connection_made(writer.transport)

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[NodeId, bytes]:
        """Who it is and what it wants. Raises: ConnectionError when it does not know the key."""
        hello = msgspec.msgpack.decode(await _read(reader, 256), type=_Hello)
        nonce = secrets.token_bytes(16)
        _write(writer, msgspec.msgpack.encode(_Hello(self._me, nonce)))
        _write(writer, self._mac(_ANSWERS, hello.nonce, self._me))
        proof = await _read(reader, 64)
        for role in (_CALLS, _KNOCKS):
            if hmac.compare_digest(proof, self._mac(role, nonce, hello.node)):
                return hello.node, role
        logger.warning("a link without the cluster's key was refused")
        raise ConnectionError("wrong key")

    def _mac(self, role: bytes, nonce: bytes, node: NodeId) -> bytes:
        return hmac.digest(self._key, role + nonce + node.encode(), "sha256")

    def _changed(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    def _tell(self, what: str, node: NodeId) -> None:
        if self.users is not None:
            told: Callable[[NodeId], None] = getattr(self.users, what)
            told(node)


async def _until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nothing comes this way. What goes, an empty frame now and then, must be answered by the other's TCP."""
    while not writer.transport.is_closing():
        try:
            async with asyncio.timeout(PULSE_S) as pause:
                await reader.read(1)
                return
        except TimeoutError:  # also TCP's word for one that is not answered
            if not pause.expired() or writer.transport.is_closing():
                return
            _write(writer, b"")


def _watch(writer: asyncio.StreamWriter) -> None:
    """One that says nothing is found out: unanswered bytes in UNANSWERED_MS, unanswered probes in seconds."""
    beneath: socket.socket = writer.get_extra_info("socket")
    beneath.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("USER_TIMEOUT", UNANSWERED_MS), ("KEEPIDLE", 1), ("KEEPINTVL", 1), ("KEEPCNT", 2)):
        if (number := getattr(socket, f"TCP_{option}", None)) is not None:
            beneath.setsockopt(socket.IPPROTO_TCP, number, value)


def _wait_longer(writer: asyncio.StreamWriter) -> None:
    beneath: socket.socket = writer.get_extra_info("socket")
    if (number := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        beneath.setsockopt(socket.IPPROTO_TCP, number, PATIENT_MS)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(_LENGTH.pack(len(frame)) + frame)


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    """The next frame. Raises: ConnectionError for one that is longer than allowed."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > most:
        raise ConnectionError("frame too long")
    return await reader.readexactly(length)
