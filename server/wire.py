"""Bytes to Structs and back: the strict, total decoder in front of everything, and the encoder.

Whatever arrives becomes a value or a Malformed/LimitExceeded with the code of docs/protocol.md,
section 9; nothing else is raised. JSON is written by orjson. Text frames only: a binary packet of
Socket.IO is refused before anything is buffered.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar, get_args

import msgspec
import orjson
from msgspec import Struct

from signaling.errors import LimitExceeded, Malformed, PeerError, TalkError
from signaling.protocol import (
    MAX_COUNTER,
    MAX_FRAME_BYTES,
    MAX_JSON_DEPTH,
    Ack,
    AnyCommand,
    Command,
    ServerEvent,
    WireError,
)

T = TypeVar("T")
COMMANDS: dict[str, type[Command]] = {c.__struct_config__.tag: c for c in get_args(AnyCommand)}

_PACKET = re.compile(r"^([0-6])(?:(\d{1,20})-)?(?:(/[^,]*),?)?(\d{0,18})(.*)$", re.DOTALL)
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_TOO_MANY_ATTACHMENTS = 4


class Packet(Struct, frozen=True):
    """A Socket.IO packet of the default namespace: kind 0 CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK."""

    kind: int
    ack_id: int | None
    data: Any


def decode_packet(text: str | bytes) -> Packet:
    """Raises: Malformed (rows 1-6, 10-16), LimitExceeded payload_too_large; `.ack_id` is kept on it."""
    if isinstance(text, bytes):
        raise Malformed(code="binary_not_allowed")
    if len(text) > MAX_FRAME_BYTES:
        raise LimitExceeded(len(text), code="payload_too_large")
    match = _PACKET.match(text)
    if match is None:
        raise Malformed(code="malformed_packet")
    kind, attachments, namespace, ack, rest = match.groups()
    if kind in "56" or attachments is not None:
        if attachments is not None and int(attachments) > _TOO_MANY_ATTACHMENTS:
            raise LimitExceeded(attachments, code="payload_too_large")
        raise Malformed(code="binary_not_allowed")
    if namespace not in (None, "/") or kind == "4":
        raise Malformed(code="malformed_packet")
    ack_id = int(ack) if ack else None
    if not rest and kind in "13":
        return Packet(int(kind), ack_id, None)
    try:
        return Packet(int(kind), ack_id, decode_json(rest) if rest else None)
    except PeerError as error:
        error.ack_id = ack_id  # type: ignore[attr-defined]
        raise


def decode_command(data: Any) -> AnyCommand:
    """The command in an EVENT packet's data. Raises: Malformed (rows 4-9)."""
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        raise Malformed(code="malformed_event")
    kind = COMMANDS.get(data[0])
    if kind is None:
        raise Malformed(code="unknown_event")
    if len(data) != 2 or not isinstance(data[1], dict):
        raise Malformed(code="invalid_arguments")
    return decode_struct(data[1], kind)  # type: ignore[return-value]


def decode_struct(value: Any, kind: type[T], code: str = "invalid_arguments") -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Malformed(str(error), code=code) from None


def decode_body(body: bytes, kind: type[T]) -> T:
    """An HTTP body as `kind`. Raises: Malformed."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Malformed(code="invalid_text") from None
    return decode_struct(decode_json(text), kind)


def decode_json(text: str) -> Any:
    """JSON without what surprises: depth, numbers, duplicate keys, broken text (rows 13-16)."""
    if _depth(text) > MAX_JSON_DEPTH:
        raise Malformed(code="too_deep")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_constant=_no_number,
            parse_int=_integer,
            parse_float=_float,
        )
    except (ValueError, RecursionError):
        raise Malformed(code="malformed_packet") from None
    if "\x00" in text or "\\u0000" in text:
        raise Malformed(code="invalid_text")
    try:
        orjson.dumps(value)
    except TypeError:
        raise Malformed(code="invalid_text") from None
    return value


def encode_event(event: ServerEvent) -> str:
    """An EVENT packet: ["tag", {fields}]."""
    return "2" + orjson.dumps([event.__struct_config__.tag, _fields(event)]).decode()


def encode_ack(ack_id: int, ack: Ack) -> str:
    """An ACK packet with what is set in `ack`."""
    fields = {key: value for key, value in _fields(ack).items() if value is not None}
    return f"3{ack_id}" + orjson.dumps([fields]).decode()


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def encode_body(value: Any) -> bytes:
    return orjson.dumps(msgspec.to_builtins(value))


def wire_error(error: TalkError, ref: str = "") -> WireError:
    """What a peer may know of a fault: code and public words, never the values seen."""
    return WireError(error.wire_code, error.public, ref, error.retry_after_ms)


def _fields(value: Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(value)
    fields.pop("type", None)
    return fields


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in _STRINGS.sub("", text):
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(code="duplicate_key")
    return found


def _no_number(name: str) -> Any:
    raise Malformed(name, code="invalid_number")


def _integer(digits: str) -> int:
    if len(digits) > 17 or digits == "-0" or abs(value := int(digits)) > MAX_COUNTER:
        raise Malformed(code="invalid_number")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise Malformed(code="invalid_number")
    return value
