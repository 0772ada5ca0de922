"""What was written once is read for ever, by our codec and by the reference codec alike."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import msgspec
import pytest

from server import wire
from server.mailbox import decode, encode
from signaling.protocol import AnyServerEvent
from tests.vectors import make

RECORDS: dict[str, str] = json.loads(make.RECORDS.read_text())
WIRE: dict[str, dict[str, object]] = json.loads(make.WIRE.read_text())


def contains(plain: Any, again: Any) -> bool:
    """What was written is read; a policy written today may have more fields (new ones, at their default)."""
    if not isinstance(plain, dict):
        return bool(plain == again)
    return all(key not in again or contains(value, again[key]) for key, value in plain.items())


@pytest.mark.parametrize("tag", sorted(RECORDS))
def test_every_record_ever_written_is_read_alike_by_both_codecs(tag: str) -> None:
    raw = bytes.fromhex(RECORDS[tag])
    event = decode(raw)
    assert type(event).__struct_config__.tag == tag
    plain = msgpack.unpackb(raw)
    again = msgpack.unpackb(encode(event))
    assert plain.keys() >= again.keys()
    assert contains(plain, again)
    assert decode(encode(event)) == event


@pytest.mark.parametrize("tag", sorted(WIRE))
def test_every_wire_message_ever_sent_is_understood(tag: str) -> None:
    fields = {name: value for name, value in WIRE[tag].items() if name != "type"}
    if tag in wire.COMMANDS:
        assert type(wire.decode_command([tag, fields])) is wire.COMMANDS[tag]
    else:
        assert msgspec.convert({"type": tag, **fields}, AnyServerEvent) is not None


def test_every_tag_has_its_vector() -> None:
    assert set(make.record_kinds()) <= set(RECORDS), "run: python -m tests.vectors.make"
    assert set(make.wire_kinds()) <= set(WIRE), "run: python -m tests.vectors.make"
