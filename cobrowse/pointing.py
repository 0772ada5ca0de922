"""What viewers point at, mark and draw: whether a message has the shape and size that both pages may rely on.

Source: docs/cobrowse_wire.md, section 3 (POINT, MARK, DRAW).
"""

from __future__ import annotations

import math
from typing import Any, Final

from cobrowse.ops import SIDE

MAX_NUMBERS: Final = 512
_MAX_ID: Final = 2**31
_LENGTHS: Final = {SIDE["POINT"]: 4, SIDE["MARK"]: 1, SIDE["DRAW"]: 4}


def is_sound(code: int, values: list[Any]) -> bool:
    """values: the fields after the viewer's id; coordinates are fractions of a node's box."""
    if len(values) != _LENGTHS.get(code):
        return False
    if code == SIDE["DRAW"]:
        stroke, node, points, last = values
        return (
            (_is_id(stroke) and _is_id(node) and last in (0, 1))
            and type(points) is list
            and len(points) <= MAX_NUMBERS
            and all(_is_number(point) for point in points)
        )
    if code == SIDE["MARK"]:
        return _is_id(values[0])
    node, x, y, what = values
    return _is_id(node) and _is_number(x) and _is_number(y) and type(what) is int and what in (0, 1, 2)


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_ID


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
