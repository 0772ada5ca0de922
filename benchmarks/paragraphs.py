"""A page of paragraphs as a recorder sends it: the whole of it, and texts of it that change. Pure.

Frames: docs/cobrowse_wire.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cobrowse.ops import CODES, ELEMENT, END, TEXT_NODE


def text_node(line: int) -> int:
    """The id of a line's text: 1 is the document, 2 html, then each paragraph and its text."""
    return 4 + 2 * line


def snapshot(seq: int, lines: Iterable[str]) -> bytes:
    """The frame that is all of the page."""
    items: list[Any] = [seq, CODES["SNAP"], 0, "http://bank.example/", "Bank", 1280, 800]
    items += [ELEMENT, "html", 0]
    for line in lines:
        items += [ELEMENT, "p", 0, TEXT_NODE, line, END]
    return msgspec.msgpack.encode([*items, END, END])


def changes(seq: int, texts: Iterable[tuple[int, str]]) -> bytes:
    """The frame in which these lines say something else."""
    items: list[Any] = [seq]
    last = 0
    for line, text in texts:
        items += [CODES["TEXT"], text_node(line) - last, text]
        last = text_node(line)
    return msgspec.msgpack.encode(items)
