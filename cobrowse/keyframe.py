"""A mirror's whole state as one frame (KEY and what follows), and the hash of a part of its tree.

A late viewer that applies the keyframe is where everybody else is: same ids, same string table, same next id.
Nothing here changes the mirror. Source: docs/cobrowse_wire.md, "Nodes" and "HASH".
"""

from __future__ import annotations

import zlib

from cobrowse.dom import ELEMENT_NODE, ROOT, TEXT, Node
from cobrowse.frames import Items, encode
from cobrowse.mirror import Mirror
from cobrowse.ops import CODES, ELEMENT, END, FIRST_OWN, FLAG_BLOCKED, TEXT_NODE
from cobrowse.scenery import Scenery

_DOCUMENT = 1


# stills that go with a keyframe; the others come after it, or no viewer would see the page before all of them
STILLS_BYTES = 1024 * 1024


def keyframe(mirror: Mirror, stills: int = STILLS_BYTES) -> bytes:
    """The frame, with the seq of the last one applied. Costs about 1 us a node. stills: bytes of them."""
    scenery = mirror.scenery
    if scenery.held or _DOCUMENT not in mirror.nodes:
        return encode([mirror.seq, CODES["HOLD"], scenery.held or 1])
    own = mirror.table[FIRST_OWN:]
    out: Items = [mirror.seq, CODES["KEY"], scenery.flags, scenery.url, scenery.title]
    out += [scenery.width, scenery.height, mirror.next_id, len(own), *own]
    _nodes(out, mirror.nodes[_DOCUMENT], {text: index for index, text in enumerate(mirror.table) if index})
    last = _rest(out, mirror)
    late = set(left_out(scenery, stills))
    for node_id, (kind, image) in scenery.images.items():
        if node_id in late or not _is_shown(mirror.nodes.get(node_id)):
            continue
        out += [CODES["IMG"], node_id - last, kind, image]
        last = node_id
    return encode(out)


def still(mirror: Mirror, node: int) -> bytes:
    """One picture in a frame of its own, with the seq of the last one; b"" when it is gone."""
    image = mirror.scenery.images.get(node)
    if image is None or not _is_shown(mirror.nodes.get(node)):
        return b""
    return encode([mirror.seq, CODES["IMG"], node, *image])


def left_out(scenery: Scenery, stills: int = STILLS_BYTES) -> list[int]:
    """The nodes whose stills a keyframe has no room for."""
    late = []
    for node_id, (_, image) in scenery.images.items():
        stills -= len(image)
        if stills < 0:
            late.append(node_id)
    return late


def _nodes(out: Items, document: Node, table: dict[str, int]) -> None:
    """All lists of the tree, iteratively: what is still to be written lies on a stack."""
    last = document.id
    waiting: list[Node | None] = [None]
    child = document.last
    while child is not None:
        waiting.append(child)
        child = child.previous
    while waiting:
        node = waiting.pop()
        if node is None:
            out.append(END)
            continue
        if node.kind == ROOT:
            out.append(node.id - last)
            last = node.id
            _push(waiting, node)
            continue
        if node.kind == TEXT:
            out += [TEXT_NODE, node.id - last, table.get(node.text, node.text)]
            last = node.id
            continue
        out += [ELEMENT | node.flags << 2, node.id - last, table.get(node.tag, node.tag)]
        last = node.id
        for name, value in (node.attributes or {}).items():
            out += [table.get(name, name), table.get(value, value)]
        out.append(0)
        if node.flags & FLAG_BLOCKED:
            out += [int(side) for side in node.text.split(",")]
            continue
        _push(waiting, node)
        if node.inner is not None:
            waiting.append(node.inner)


def _push(waiting: list[Node | None], node: Node) -> None:
    waiting.append(None)
    child = node.last
    while child is not None:
        waiting.append(child)
        child = child.previous


def _rest(out: Items, mirror: Mirror) -> int:
    """Everything beside the tree but pictures. Returns the last reference."""
    scenery = mirror.scenery
    for number, sheet in scenery.sheets.items():
        out += [CODES["SHEET"], number, sheet.owner, sheet.disabled, sheet.rules[0][2]]
        for op, index, text in sheet.rules[1:]:
            out += [op, number, index] if op == CODES["RDEL"] else [op, number, index, text]
    told: list[tuple[str, int, tuple[object, ...]]] = [
        *(("ADOPT", root, (len(sheets), *sheets)) for root, sheets in scenery.adopted.items()),
        *(("VAL", node, (value,)) for node, value in scenery.values.items()),
        *(("CHK", node, (check,)) for node, check in scenery.checks.items()),
        *(("TOP", node, (top,)) for node, top in scenery.tops.items()),
        *(("SCR", node, offsets) for node, offsets in scenery.scrolls.items()),
        *(("MEDIA", node, media) for node, media in scenery.media.items()),
    ]
    last = 0
    for name, node, values in told:
        if not _is_shown(mirror.nodes.get(node)):
            continue
        out += [CODES[name], node - last, *values]
        last = node
    for number, (digest, kind) in scenery.assets.items():
        out += [CODES["ASSET"], number, digest, kind]
    for code, node in scenery.notes:
        out += [CODES["NOTE"], code, node]
    out += [CODES["FOC"], scenery.focus, CODES["SEL"], *scenery.selection, CODES["VIS"], scenery.visible]
    if scenery.view is not None:
        width, height, *floats = scenery.view
        out += [CODES["VIEW"], int(width), int(height), *floats]
    return last


def _is_shown(node: Node | None) -> bool:
    """Whether it hangs in the document: what was taken out may yet come back in a later frame."""
    while node is not None and node.parent is not None:
        node = node.parent
    return node is not None and node.id == _DOCUMENT


def tree_hash(mirror: Mirror, lo: int, hi: int) -> int:
    """CRC-32 over one line per live node with lo <= id < hi, as HASH has it."""
    return hash_of(nodes_between(mirror, lo, hi))


def nodes_between(mirror: Mirror, lo: int, hi: int) -> list[Node]:
    """The live nodes with lo <= id < hi, by id."""
    nodes = mirror.nodes
    ids = range(lo, hi) if hi - lo < 2 * len(nodes) else sorted(node for node in nodes if lo <= node < hi)
    return [nodes[node] for node in ids if node in nodes]


def hash_of(nodes: list[Node]) -> int:
    return zlib.crc32("\n".join(map(_line, nodes)).encode("utf-8", "replace"))


def _line(node: Node) -> str:
    parent = node.parent.id if node.parent is not None else 0
    previous = node.previous.id if node.previous is not None else 0
    place = f"{node.id},{parent},{previous}"
    if node.kind == TEXT:
        return f"{place},2,{node.text}"
    if node.kind != ELEMENT_NODE:
        return f"{place},3"
    if not node.attributes:
        return f"{place},1,{node.tag}"
    pairs = sorted(node.attributes.items(), key=_utf16)
    return f"{place},1,{node.tag},{','.join(f'{name}={value}' for name, value in pairs)}"


def _utf16(pair: tuple[str, str]) -> bytes:
    return pair[0].encode("utf-16-be")
