"""May an agent do this on the visitor's page? Judged by grant and mirror; the visitor's browser does too.

Source: docs/protocol.md, "control"; reliability rows "control event".
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from cobrowse.dom import BLOCK, ELEMENT_NODE, MASK, Node
from cobrowse.gate import Gate
from cobrowse.mirror import Mirror
from signaling.protocol import ParticipantId

KINDS: Final = frozenset({"scroll", "click", "type", "navigate"})
OK: Final = "ok"
NOT_GRANTED: Final = "control_not_granted"
FORBIDDEN: Final = "control_forbidden_target"
CHANGED: Final = "changed"
GONE: Final = "gone"
SUSPENDED: Final = "suspended"
VERDICTS: Final = frozenset({OK, NOT_GRANTED, FORBIDDEN, CHANGED, GONE, SUSPENDED})
MAX_TYPED_CHARS: Final = 4_000
_FIELDS: Final = frozenset({"input", "textarea", "select"})


def judge(gate: Gate, mirror: Mirror, asked: list[Any], *, by: ParticipantId, now_ms: int) -> str:
    """asked: CONTROL's fields: request, grant id, seen seq, node id, kind, values. by: who asks.

    Returns a DID code.
    """
    if len(asked) < 5 or asked[4] not in KINDS or type(asked[2]) is not int or type(asked[3]) is not int:
        return FORBIDDEN
    _, grant_id, seen_seq, node_id, kind = asked[:5]
    if not _granted(gate, mirror, grant_id, kind, by=by, now_ms=now_ms):
        return NOT_GRANTED
    if not _values_fit(kind, asked[5:]):
        return FORBIDDEN
    if kind == "navigate":
        return OK
    node = mirror.nodes.get(node_id)
    if node is None:
        return GONE
    if kind != "scroll" and node.seq > seen_seq:
        return CHANGED
    return FORBIDDEN if kind != "scroll" and forbidden(node) else OK


def _granted(
    gate: Gate, mirror: Mirror, grant_id: object, kind: str, *, by: ParticipantId, now_ms: int
) -> bool:
    """The grant is this one, of this kind, given to whoever asks, for pages of the origin that is shown."""
    if type(grant_id) is not str or not grant_id or not gate.shows:
        return False
    grant = gate.grant("control", now_ms, grant_id=grant_id, kind=kind)
    if grant is None or grant.holder != by:
        return False
    shown = urlsplit(mirror.scenery.url)
    return f"{shown.scheme}://{shown.netloc}" == grant.origin


def forbidden(node: Node) -> bool:
    """Masked, blocked, a password, payment or file field, or where the site says no."""
    if node.stand in (MASK, BLOCK):
        return True
    above: Node | None = node
    while above is not None:
        attributes = above.attributes or {}
        if "data-no-control" in attributes:
            return True
        above = above.parent
    if node.kind != ELEMENT_NODE or node.tag not in _FIELDS:
        return False
    attributes = node.attributes or {}
    kind, complete = attributes.get("type", "").lower(), attributes.get("autocomplete", "").lower()
    return kind in ("password", "file", "hidden") or any(
        word.startswith("cc-") or word.endswith("-password") or word == "one-time-code"
        for word in complete.split()
    )


def _values_fit(kind: str, values: list[Any]) -> bool:
    if kind == "type":
        return len(values) == 1 and type(values[0]) is str and len(values[0]) <= MAX_TYPED_CHARS
    if kind == "navigate":
        return len(values) == 1 and type(values[0]) is str and len(values[0]) <= 2_000
    return len(values) == 2 and all(type(value) in (int, float) for value in values)
