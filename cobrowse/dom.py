"""A node of the mirrored page and its place among others: linked, iterative, nothing recursive.

It keeps order and parentage; what may be where is `mirror.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

ELEMENT_NODE: Final = 1
TEXT: Final = 2
ROOT: Final = 3  # a document or shadow root

# how an element stands, as the recorder says by flags; children inherit it (recorder/mask.ts)
PLAIN: Final = 0
MASK: Final = 1
SHOW: Final = 2
BLOCK: Final = 3


class _Told:
    """What most frames look at, side by side in memory: of many pages most is in no cache."""

    __slots__ = ("id", "kind", "seq", "stand", "text")


class Node(_Told):
    """kind: ELEMENT_NODE, TEXT, ROOT. flags: those of its head. inner: shadow root or frame's document."""

    __slots__ = (
        "attributes",
        "depth",
        "first",
        "flags",
        "inner",
        "last",
        "next",
        "parent",
        "previous",
        "tag",
    )

    def __init__(self, node_id: int, kind: int, flags: int, tag: str, stand: int, seq: int) -> None:
        self.id = node_id
        self.kind = kind
        self.flags = flags
        self.tag = tag
        self.stand = stand
        self.seq = seq
        self.text = ""
        self.attributes: dict[str, str] | None = None
        self.depth = 0
        self.parent: Node | None = None
        self.previous: Node | None = None
        self.next: Node | None = None
        self.first: Node | None = None
        self.last: Node | None = None
        self.inner: Node | None = None

    def detach(self) -> None:
        parent = self.parent
        if parent is None:
            return
        if parent.inner is self:
            parent.inner = None
        else:
            if self.previous is None:
                parent.first = self.next
            else:
                self.previous.next = self.next
            if self.next is None:
                parent.last = self.previous
            else:
                self.next.previous = self.previous
        self.parent = self.previous = self.next = None

    def insert_after(self, child: Node, anchor: Node | None) -> None:
        """Put a detached node right after `anchor`, or first."""
        child.parent = self
        child.depth = self.depth + 1
        child.previous = anchor
        child.next = self.first if anchor is None else anchor.next
        if anchor is None:
            self.first = child
        else:
            anchor.next = child
        if child.next is None:
            self.last = child
        else:
            child.next.previous = child

    def append(self, child: Node) -> None:
        """As insert_after(child, self.last), for snapshots."""
        child.parent = self
        child.depth = self.depth + 1
        last = self.last
        child.previous = last
        if last is None:
            self.first = child
        else:
            last.next = child
        self.last = child

    def inside(self) -> Iterator[Node]:
        """This node and all in it: inner root first, then children, each with all in it."""
        open_nodes = [self]
        while open_nodes:
            node = open_nodes.pop()
            yield node
            child = node.last
            while child is not None:
                open_nodes.append(child)
                child = child.previous
            if node.inner is not None:
                open_nodes.append(node.inner)

    def has_above(self, node: Node) -> bool:
        """Whether `node` is this one or an ancestor of it."""
        above: Node | None = self
        while above is not None:
            if above is node:
                return True
            above = above.parent
        return False
