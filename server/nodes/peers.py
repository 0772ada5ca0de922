"""Asks and notes over the bus: numbers them, waits for answers, carries faults home as what they were.

Asks of ourselves go straight to the handler. An ask whose link breaks ends as BackendUnavailable: it may
have been done; who asks again does so with the same counter or gets the same answer twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from server import wire
from server.backend import Bus, NodeInfo
from server.nodes.messages import (
    Answered,
    Ask,
    Asked,
    ComeBack,
    Deliver,
    Fault,
    Note,
    Noted,
    decode,
    encode,
    number_of,
)
from server.tasks import start
from signaling import errors
from signaling.errors import BackendUnavailable, TalkError
from signaling.protocol import NodeId, ServerEvent

logger = logging.getLogger(__name__)

ANSWER_S = 6.0

Handler = Callable[[NodeId, Any], Awaitable[Any]]
Listener = Callable[[NodeId, Any], None]


class Unreachable(BackendUnavailable):
    """Nothing was sent: asking another node, or later, does nothing twice."""


class _Waiting(Struct):
    node: NodeId
    answer: asyncio.Future[Any]
    kind: Any


class Peers:
    """One per node; `run` reads what arrives. asks, notes: handlers by type of message."""

    def __init__(self, bus: Bus, tasks: asyncio.TaskGroup) -> None:
        self._bus = bus
        self._tasks = tasks
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self.asks: dict[type[Ask], Handler] = {}
        self.notes: dict[type[Note], Listener] = {}

    @property
    def me(self) -> NodeId:
        return self._bus.node_id

    @property
    def several(self) -> bool:
        """Are there other nodes, now or at times?"""
        return self._bus.shared

    def others(self) -> Sequence[NodeInfo]:
        """The nodes that live beside us."""
        return self._bus.peers()

    def deliver(self, node: NodeId, number: int, event: ServerEvent) -> None:
        """Send an event to a connection of another node."""
        self.note(node, Deliver(number, wire.encode_event(event)))

    def come_back(self, node: NodeId, number: int, retry_after_ms: int) -> None:
        self.note(node, ComeBack(number, retry_after_ms))

    async def run(self) -> None:
        async for node, envelope in self._bus.receive():
            try:
                message = decode(envelope)
            except msgspec.DecodeError:
                logger.warning("a node said something unknown", extra={"node": node})
                if (number := number_of(envelope)) is not None:
                    fault = Fault(BackendUnavailable.__name__, BackendUnavailable().wire_code, 500)
                    self._say(node, Answered(number, fault=fault))
                continue
            try:
                self._handle(node, message)
            except Exception:
                logger.exception("a node's word failed", extra={"node": node})

    def _handle(self, node: NodeId, message: Asked | Answered | Noted) -> None:
        if isinstance(message, Asked):
            start(self._tasks, self._answer(node, message), "peer-ask")
        elif isinstance(message, Answered):
            self._take(message)
        else:
            self.heard(node, message.note)

    async def ask(self, node: NodeId, ask: Ask) -> Any:
        """Raises: Unreachable, BackendUnavailable, or what the handler raised there."""
        if node == self._bus.node_id:
            return await self.asks[type(ask)](node, ask)
        try:
            await self._bus.reach(node)
            number = next(self._numbers)
            self._bus.send(node, encode(Asked(number, ask)))  # type: ignore[arg-type]
        except BackendUnavailable as error:
            raise Unreachable(*error.args, retry_after_ms=500) from None
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(node, answer, ask.answer)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise BackendUnavailable("no answer", node, retry_after_ms=500) from None
        finally:
            self._waiting.pop(number, None)

    def note(self, node: NodeId, note: Note) -> None:
        """Say it or lose it: who cannot be reached has lost our connections anyway."""
        if node == self._bus.node_id:
            self.heard(node, note)
            return
        self._say(node, Noted(note))  # type: ignore[arg-type]

    def _say(self, node: NodeId, message: Answered | Noted) -> None:
        with contextlib.suppress(BackendUnavailable):
            self._bus.send(node, encode(message))

    def note_all(self, note: Note) -> None:
        """To every other node."""
        for peer in self._bus.peers():
            self.note(peer.id, note)

    async def ask_all(self, ask: Ask) -> list[Any]:
        """Answers of all nodes that can be reached and had one, ours too."""
        nodes = [self._bus.node_id, *(peer.id for peer in self._bus.peers())]
        answers = await asyncio.gather(*(self.ask(node, ask) for node in nodes), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, TalkError):
                raise answer
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    def lost(self, node: NodeId) -> None:
        """No answer will come from there."""
        for waiting in self._waiting.values():
            if waiting.node == node and not waiting.answer.done():
                waiting.answer.set_exception(BackendUnavailable("node is gone", retry_after_ms=500))

    def heard(self, node: NodeId, note: Note) -> None:
        self.notes[type(note)](node, note)

    async def _answer(self, node: NodeId, asked: Asked) -> None:
        fault, answer = None, msgspec.Raw(b"\xc0")
        try:
            answer = msgspec.Raw(msgspec.msgpack.encode(await self.asks[type(asked.ask)](node, asked.ask)))
        except TalkError as error:
            fault = Fault(type(error).__name__, error.wire_code, error.retry_after_ms)
        except Exception:
            logger.exception("a node's ask failed", extra={"node": node})
            fault = Fault("TalkError", "internal")
        with contextlib.suppress(BackendUnavailable):
            await self._bus.reach(node)  # it may have known us before we knew it
            self._say(node, Answered(asked.number, answer, fault))

    def _take(self, answered: Answered) -> None:
        waiting = self._waiting.get(answered.number)
        if waiting is None or waiting.answer.done():
            return
        if answered.fault is not None:
            waiting.answer.set_exception(_error(answered.fault))
        elif waiting.kind is None:
            waiting.answer.set_result(None)
        else:
            waiting.answer.set_result(msgspec.msgpack.decode(answered.answer, type=waiting.kind))


def _error(fault: Fault) -> TalkError:
    kind = getattr(errors, fault.kind, BackendUnavailable if fault.kind == "Unreachable" else TalkError)
    made: TalkError = kind(code=fault.code, retry_after_ms=fault.retry_after_ms)
    return made
