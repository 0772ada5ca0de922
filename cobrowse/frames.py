"""Bytes to one flat list and back: size, shape and UTF-16 lengths. It knows no op.

Source: docs/cobrowse_wire.md, section 2.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cobrowse.errors import InvalidDiff, PageTooBig
from cobrowse.ops import MAX_FRAME_BYTES, MAX_TABLE_CHARS

Items = list[Any]
_decode: Final = msgspec.msgpack.Decoder(list).decode
encode: Final = msgspec.msgpack.Encoder().encode


def decode(message: bytes) -> Items:
    """One message as a list whose item 0 is an int >= 0. Raises: InvalidDiff."""
    if len(message) > MAX_FRAME_BYTES:
        raise PageTooBig("frame", len(message))
    try:
        items: Items = _decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDiff(type(error).__name__) from None
    if not items or type(items[0]) is not int or items[0] < 0:
        raise InvalidDiff("no seq")
    return items


def units(text: str) -> int:
    """Length in UTF-16 units, as browsers count."""
    if text.isascii():
        return len(text)
    return len(text) + sum(letter > "\uffff" for letter in text)


def joins_table(text: str) -> bool:
    """Whether a literal in a string slot becomes an entry of the stream's table."""
    return len(text) <= MAX_TABLE_CHARS and (text.isascii() or units(text) <= MAX_TABLE_CHARS)


def splice(old: str, head: int, tail: int, middle: str) -> str:
    """`middle` between the first `head` and the last `tail` UTF-16 units of `old`. Raises: InvalidDiff."""
    if head < 0 or tail < 0:
        raise InvalidDiff("splice", head, tail)
    if old.isascii() or units(old) == len(old):
        if head + tail > len(old):
            raise InvalidDiff("splice", head, tail)
        return old[:head] + middle + old[len(old) - tail :]
    wide = old.encode("utf-16-le")
    if (head + tail) * 2 > len(wide):
        raise InvalidDiff("splice", head, tail)
    begin, end = wide[: head * 2], wide[len(wide) - tail * 2 :]
    return begin.decode("utf-16-le", "replace") + middle + end.decode("utf-16-le", "replace")
