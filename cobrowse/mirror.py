"""The mirrored page of one stream: what its frames say, applied op by op, each literal judged on the way.

For late viewers, for the second check, for remote control's questions and for recordings. A frame that
cannot be raises InvalidDiff and leaves the mirror unusable until the next SNAP; nothing here recurses, and
ids, depth, nodes, texts and bytes have limits (PageTooBig). Replaced literals are written back into the
frame's list. Source: docs/cobrowse_wire.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cobrowse.dom import BLOCK, ELEMENT_NODE, MASK, PLAIN, ROOT, SHOW, TEXT, Node
from cobrowse.errors import InvalidDiff, PageTooBig
from cobrowse.frames import Items, joins_table, splice, units
from cobrowse.masking import Checker
from cobrowse.ops import (
    CODES,
    END,
    FIRST_OWN,
    FLAG_BLOCKED,
    FLAG_FRAME,
    FLAG_MASKED,
    FLAG_SHADOW,
    FLAG_SHOWN,
    MAX_DEPTH,
    MAX_LITERAL_CHARS,
    MAX_NODES,
    MAX_OPS,
    MAX_TABLE,
    MAX_TABLE_CHARS,
    STATIC_TABLE,
)
from cobrowse.patterns import dots
from cobrowse.scenery import Scenery, whole

_SPACE: Final = STATIC_TABLE.index(" ")
_SPAN: Final = STATIC_TABLE.index("span")
_ALT: Final = STATIC_TABLE.index("alt")
_DOCUMENT: Final = 1
_TEXT_OP: Final = CODES["TEXT"]
# what a page's strings, pictures and attributes may take; looked at after so much more may have come
MAX_BYTES: Final = 64 * 1024 * 1024
_LOOK_BYTES: Final = 16 * 1024 * 1024
_ITEM_BYTES: Final = 64
# what one frame may make of what is there already: characters spliced, nodes that come to another depth
_MAX_WORK: Final = 4 * 1024 * 1024
_NODE_WORK: Final = 16


# a recorder sends no text in them (rules come as sheets): whatever stands there is masked
_FIELDS: Final = frozenset({"textarea"})
_TEXTLESS: Final = frozenset({"style", "xmp", "noembed", "noframes", "plaintext", "template"})


class Mirror:
    """One stream's page. checker None: nothing is judged (measurements only).

    `nodes` by id; `table`: own entries after STATIC_TABLE; `scenery`: what is not in the tree; `next_id`.
    """

    def __init__(self, checker: Checker | None = None) -> None:
        self.checker = checker
        self.nodes: dict[int, Node] = {}
        self.table: list[str] = list(STATIC_TABLE)
        self.scenery = Scenery(self)
        self.next_id = 1
        self.seq = 0
        self.changed = False
        self.broken = True
        self._last = 0
        self._ops = 0
        self._work = 0
        # how much may have come since `weight` was looked at
        self._unweighed = 0
        # what came into a masked place in this frame
        self._fell_silent: list[Node] = []
        self._handlers: dict[int, Callable[[Items, int], int]] = {
            CODES["SNAP"]: self._snap,
            CODES["RUN"]: self._run,
            CODES["REM"]: self._rem,
            CODES["DET"]: self._det,
            CODES["ATTR"]: self._attr,
            CODES["ADEL"]: self._adel,
            CODES["ASPL"]: self._aspl,
            CODES["TEXT"]: self._text,
            CODES["TSPL"]: self._tspl,
            **self.scenery.handlers(),
        }

    def apply(self, items: Items) -> bool:
        """Apply one frame (items[0] is its seq). True when a literal in `items` was replaced.

        Raises: InvalidDiff, PageTooBig for a limit; the mirror is then broken until the next SNAP.
        """
        self._last = 0
        self._fell_silent.clear()
        self.changed = False
        self.seq = items[0]
        at, end = 1, len(items)
        self._ops = self._work = 0
        handlers = self._handlers
        try:
            while at < end:
                handler = handlers.get(items[at])
                self._ops += 1
                if handler is None:
                    raise InvalidDiff("op", type(items[at]).__name__)
                if self._ops > MAX_OPS:
                    raise PageTooBig("ops")
                at = handler(items, at + 1)
            if at != end:
                raise InvalidDiff("length")
            if self._fell_silent:
                self._silence(items)
        except InvalidDiff:
            self.broken = True
            raise
        except (IndexError, KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            self.broken = True
            raise InvalidDiff(type(error).__name__) from None
        return self.changed

    def weigh(self, arrived: int, items: int) -> None:
        """A frame of so many bytes and items was applied. Raises: PageTooBig, the mirror is then broken."""
        self._unweighed += arrived + items * _ITEM_BYTES
        if self._unweighed > _LOOK_BYTES:
            self._unweighed = 0
            if self.weight() > MAX_BYTES:
                self.broken = True
                raise PageTooBig("bytes")

    def weight(self) -> int:
        """About how many bytes the page takes, beside its nodes: what is in the table is shared."""
        total = self.scenery.weight()
        for node in self.nodes.values():
            total += len(node.text)
            if node.attributes:
                total += len(node.attributes) * _ITEM_BYTES
                total += sum(len(text) for text in node.attributes.values() if len(text) > MAX_TABLE_CHARS)
        return total

    def spend(self, work: int) -> None:
        self._work += work
        if self._work > _MAX_WORK:
            raise InvalidDiff("work")

    def spliced(self, items: Items, at: int, old: str) -> str:
        """head, tail and middle of a splice, done."""
        self.spend(len(old))
        return splice(old, items[at], items[at + 1], self.literal(items[at + 2]))

    def _silence(self, items: Items) -> None:
        """What was sent before it came into a masked place is told again, and judged as it stands now."""
        checker = self.checker
        for node in self._fell_silent if checker is not None else ():
            if self.nodes.get(node.id) is not node:
                continue
            ops: list[tuple[str, list[Any]]] = [
                ("ATTR", [name, value]) for name, value in (node.attributes or {}).items() if name
            ]
            if node.kind == TEXT:
                ops.append(("TEXT", [node.text]))
            if node.id in self.scenery.values:
                ops.append(("VAL", [self.scenery.values[node.id]]))
            for op, arguments in ops:
                items += [CODES[op], node.id - self._last, *arguments]
                self._handlers[CODES[op]](items, len(items) - len(arguments) - 1)
                self.changed = True

    # --- arguments ------------------------------------------------------------------------------

    def ref(self, delta: int) -> Node:
        self._last += delta
        return self.nodes[self._last]

    def replace(self, items: Items, at: int, text: str) -> None:
        items[at] = text
        self.changed = True

    def literal(self, value: object) -> str:
        if type(value) is not str:
            raise InvalidDiff("text", type(value).__name__)
        if len(value) > MAX_LITERAL_CHARS:
            raise PageTooBig("text", len(value))
        return value

    def _slot(self, items: Items, at: int) -> str:
        """The string of a slot, whose literal is not judged yet."""
        value = items[at]
        if type(value) is int:
            if value < 1:
                raise InvalidDiff("slot", value)
            return self.table[value]
        return self.literal(value)

    def _join(self, items: Items, at: int, text: str) -> None:
        """A literal joins the table, after it was judged where it stands."""
        if type(items[at]) is str and joins_table(text) and len(self.table) < FIRST_OWN + MAX_TABLE:
            self.table.append(text)

    def _put(self, items: Items, at: int, old: str, new: str) -> str:
        """Write back what a slot may say: a literal of the same length, or a harmless entry."""
        if new != old:
            items[at] = new if type(items[at]) is str else _SPACE
            self.changed = True
            if type(items[at]) is int:
                return " "
        return new

    # --- structure ------------------------------------------------------------------------------

    def _snap(self, items: Items, at: int) -> int:
        flags, url, title, width, height = items[at : at + 5]
        self.nodes.clear()
        del self.table[FIRST_OWN:]
        self.next_id = _DOCUMENT + 1
        document = self.nodes[_DOCUMENT] = Node(_DOCUMENT, ROOT, 0, "", PLAIN, self.seq)
        self.broken = False
        self.scenery.begin(flags, width, height)
        self.scenery.visit(items, at + 1, self.literal(url), self.literal(title))
        return self._children(items, at + 5, document, None)

    def _run(self, items: Items, at: int) -> int:
        parent = self.ref(items[at])
        anchor = None if items[at + 1] == 0 else self.ref(items[at + 1])
        if parent.kind == TEXT or (anchor is not None and anchor.parent is not parent):
            raise InvalidDiff("run", parent.kind)
        parent.seq = self.seq
        return self._children(items, at + 2, parent, anchor)

    def _children(self, items: Items, at: int, parent: Node, anchor: Node | None) -> int:
        """A list of nodes up to its END, with all lists inside."""
        # (parent, the node after which the next one comes)
        open_lists: list[tuple[Node, Node | None]] = [(parent, anchor)]
        while open_lists:
            head = items[at]
            if head == END:
                open_lists.pop()
                at += 1
                continue
            parent, anchor = open_lists[-1]
            kind = head & 3
            if kind == 1:
                at, node = self._element(items, at, parent)
                self._open(node, open_lists, parent, anchor)
            elif head == 2:
                node = self._text_node(items, at + 1, parent)
                at += 2
                parent.insert_after(node, anchor)
                open_lists[-1] = (parent, node)
            elif head == 0:
                node = self._moved(items[at + 1], parent, anchor)
                at += 2
                open_lists[-1] = (parent, node)
            else:
                raise InvalidDiff("head", head)
        return at

    def _open(
        self, node: Node, open_lists: list[tuple[Node, Node | None]], parent: Node, anchor: Node | None
    ) -> None:
        """A new element goes in; the lists that follow it are opened, the shadow root's on top."""
        parent.insert_after(node, anchor)
        if node.depth > MAX_DEPTH or len(self.nodes) > MAX_NODES:
            raise PageTooBig("nodes", node.depth, len(self.nodes))
        open_lists[-1] = (parent, node)
        if node.flags & FLAG_BLOCKED:
            return
        open_lists.append((node, None))
        if node.flags & (FLAG_SHADOW | FLAG_FRAME):
            root = self._new(ROOT, 0, "", node.stand)
            root.parent = node
            root.depth = node.depth + 1
            node.inner = root
            open_lists.append((root, None))

    def _new(self, kind: int, flags: int, tag: str, stand: int) -> Node:
        node = Node(self.next_id, kind, flags, tag, stand, self.seq)
        self.nodes[node.id] = node
        self.next_id += 1
        return node

    def _moved(self, delta: int, parent: Node, anchor: Node | None) -> Node:
        node = self.ref(delta)
        if node.kind == ROOT or parent.has_above(node) or node is anchor:
            raise InvalidDiff("moved", node.kind)
        depth = node.depth
        node.detach()
        parent.insert_after(node, anchor)
        if node.depth != depth:
            self._sink(node, node.depth - depth)
        if parent.stand in (MASK, BLOCK) or parent.tag in _FIELDS:
            for inner in node.inside():
                if inner.stand not in (MASK, BLOCK):
                    inner.stand = MASK
                    self._fell_silent.append(inner)
        return node

    def _sink(self, top: Node, by: int) -> None:
        """What is in a node that came to another depth is there too."""
        top.depth -= by
        for node in top.inside():
            node.depth += by
            self.spend(_NODE_WORK)
            if node.depth > MAX_DEPTH:
                raise PageTooBig("depth", node.depth)

    def _text_node(self, items: Items, at: int, parent: Node) -> Node:
        text = self._slot(items, at)
        stand = MASK if parent.tag in _FIELDS and parent.stand != BLOCK else parent.stand
        node = self._new(TEXT, 0, "", stand)
        checker = self.checker
        if checker is not None:
            text = self._put(items, at, text, checker.text(text, stand, node.id))
        node.text = text
        if type(items[at]) is str:
            self._join(items, at, text)
        if len(self.nodes) > MAX_NODES:
            raise PageTooBig("nodes", len(self.nodes))
        return node

    def _element(self, items: Items, at: int, parent: Node) -> tuple[int, Node]:
        flags = items[at] >> 2
        tag = self._slot(items, at + 1)
        if self.checker is not None and not self.checker.tag(tag, self.next_id):
            tag = self._harmless(items, at + 1, _SPAN)
        self._join(items, at + 1, tag)
        stand = parent.stand
        if flags & (FLAG_MASKED | FLAG_SHOWN | FLAG_BLOCKED):
            stand = self._stand(flags, stand)
        if (tag in _TEXTLESS or parent.tag in _FIELDS) and stand != BLOCK:
            stand = MASK
        node = self._new(ELEMENT_NODE, flags, tag, stand)
        at += 2
        if items[at] != 0:
            node.attributes = {}
            while items[at] != 0:
                self._set(items, at, at + 1, node)
                at += 2
            if "contenteditable" in node.attributes and self.checker is not None:
                if self.checker.edits(stand, node.attributes["contenteditable"]):
                    node.stand = MASK
        at += 1
        if flags & FLAG_BLOCKED:
            node.text = f"{whole(items[at])},{whole(items[at + 1])}"
            at += 2
        return at, node

    @staticmethod
    def _stand(flags: int, above: int) -> int:
        """A mark lifts no mask that stands above it."""
        if flags & FLAG_BLOCKED:
            return BLOCK
        if flags & FLAG_MASKED or above == MASK:
            return MASK
        return SHOW

    def _harmless(self, items: Items, at: int, entry: int) -> str:
        """A tag or attribute name that may not be: a literal keeps its length, an index another entry."""
        text = "x" * units(items[at]) if type(items[at]) is str else STATIC_TABLE[entry]
        items[at] = text if type(items[at]) is str else entry
        self.changed = True
        return text

    def _set(self, items: Items, name_at: int, value_at: int, node: Node) -> None:
        checker = self.checker
        name = self._slot(items, name_at)
        good = checker is None or checker.name(name, node.id, node.tag)
        if not good:
            name = self._harmless(items, name_at, _ALT)
        self._join(items, name_at, name)
        value = self._slot(items, value_at)
        if checker is not None:
            if good:
                kept = checker.attribute(name, value, node.stand, node.id)
            else:
                kept = dots(value)
            if kept is not value:
                value = self._put(items, value_at, value, kept)
        self._join(items, value_at, value)
        if node.attributes is None:
            node.attributes = {}
        node.attributes[name] = value

    def _rem(self, items: Items, at: int) -> int:
        """A node that went with another one of the same frame is no fault."""
        self._last += items[at]
        node = self.nodes.get(self._last)
        if node is None and 0 < self._last < self.next_id:
            return at + 1
        if node is None or node.kind == ROOT:
            raise InvalidDiff("rem", self._last)
        node.detach()
        nodes, scenery = self.nodes, self.scenery
        for gone in node.inside():
            if nodes.pop(gone.id, None) is not None:
                scenery.forget(gone.id)
        return at + 1

    def _det(self, items: Items, at: int) -> int:
        node = self.ref(items[at])
        if node.kind == ROOT:
            raise InvalidDiff("det")
        node.detach()
        return at + 1

    # --- attributes and texts ---------------------------------------------------------------------

    def element(self, delta: int) -> Node:
        node = self.ref(delta)
        if node.kind != ELEMENT_NODE:
            raise InvalidDiff("no element", node.kind)
        return node

    def _attr(self, items: Items, at: int) -> int:
        node = self.element(items[at])
        node.seq = self.seq
        self._set(items, at + 1, at + 2, node)
        return at + 3

    def _adel(self, items: Items, at: int) -> int:
        node = self.element(items[at])
        node.seq = self.seq
        name = self._slot(items, at + 1)
        if self.checker is not None and not self.checker.name(name, node.id, node.tag):
            name = self._harmless(items, at + 1, _ALT)
        self._join(items, at + 1, name)
        if node.attributes is not None:
            node.attributes.pop(name, None)
        return at + 2

    def _aspl(self, items: Items, at: int) -> int:
        node = self.element(items[at])
        node.seq = self.seq
        name = self._slot(items, at + 1)
        self._join(items, at + 1, name)
        attributes = node.attributes
        if attributes is None:
            raise InvalidDiff("no attribute")
        old = attributes[name]
        value = self.spliced(items, at + 2, old)
        checker = self.checker
        if checker is not None:
            kept = checker.attribute(name, value, node.stand, node.id)
            if kept != value:
                value = self.respliced(items, at + 2, kept)
        attributes[name] = value
        return at + 5

    def respliced(self, items: Items, at: int, kept: str) -> str:
        """A splice completes what may not be, be it by taking away: it brings the whole, judged, instead."""
        items[at] = items[at + 1] = 0
        self.replace(items, at + 2, kept)
        return kept

    def _text(self, items: Items, at: int) -> int:
        """This op and all of its kind right after it: pages often change many texts at once."""
        nodes, checker, seq, last = self.nodes, self.checker, self.seq, self._last
        end = min(len(items), at + 3 * (MAX_OPS - self._ops))
        begin = at
        while True:
            last += items[at]
            node = nodes[last]
            text = items[at + 1]
            if node.kind != TEXT or type(text) is not str:
                raise InvalidDiff("no text", node.kind)
            if len(text) > MAX_LITERAL_CHARS:
                raise PageTooBig("text", len(text))
            node.seq = seq
            if checker is not None:
                kept = checker.text(text, node.stand, last)
                if kept is not text:
                    self.replace(items, at + 1, kept)
                    text = kept
            node.text = text
            at += 3
            if at >= end or items[at - 1] != _TEXT_OP:
                break
        self._last = last
        self._ops += (at - begin) // 3 - 1
        return at - 1

    def _tspl(self, items: Items, at: int) -> int:
        node = self.ref(items[at])
        if node.kind != TEXT:
            raise InvalidDiff("no text", node.kind)
        node.seq = self.seq
        text = self.spliced(items, at + 1, node.text)
        checker = self.checker
        if checker is not None:
            kept = checker.text(text, node.stand, node.id)
            if kept != text:
                text = self.respliced(items, at + 1, kept)
        node.text = text
        return at + 4
