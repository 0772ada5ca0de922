"""What viewers point at, mark and draw reaches others only in the shape that their pages rely on."""

from __future__ import annotations

from typing import Any

import pytest

from cobrowse.ops import SIDE
from cobrowse.pointing import MAX_NUMBERS, is_sound


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("POINT", [4, 0.5, 1, 0]),
        ("MARK", [0]),
        ("DRAW", [1, 4, [0.1, 0.2], 0]),
        ("DRAW", [1, 4, [], 1]),
    ],
)
def test_what_a_hand_does_passes(name: str, values: list[Any]) -> None:
    assert is_sound(SIDE[name], values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("POINT", [4, 0.5, 1]),
        ("POINT", [4, float("nan"), 1, 0]),
        ("POINT", ["4111 1111 1111 1111", 0, 0, 0]),
        ("POINT", [4, 0, 0, 7]),
        ("MARK", ["x"]),
        ("MARK", [-1]),
        ("DRAW", [1, 4, "points", 0]),
        ("DRAW", [1, 4, [0.1, "text"], 0]),
        ("DRAW", [1, 4, [0.5] * (MAX_NUMBERS + 2), 0]),
        ("DRAW", [1, 4, [[1]], 0]),
        ("CONTROL", [1]),
    ],
)
def test_anything_else_does_not(name: str, values: list[Any]) -> None:
    assert not is_sound(SIDE[name], values)
