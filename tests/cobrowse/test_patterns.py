"""Secrets by their form: the vectors that the recorder's tests read too, and what only the server does."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from time import process_time

import pytest

from cobrowse.frames import units
from cobrowse.patterns import MAX_PATTERN_CHARS, Patterns
from cobrowse.policy import CobrowsePolicy

VECTORS = json.loads(Path(__file__).with_name("secrets.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["text"] for vector in VECTORS])
def test_both_sides_find_the_same(vector: dict[str, str]) -> None:
    clean = Patterns().scrub(vector["text"])
    assert clean == vector["masked"]
    assert units(clean) == units(vector["text"])
    assert Patterns().scrub(clean) == clean


@pytest.mark.parametrize(
    "at", [0, 5, MAX_PATTERN_CHARS - 4, MAX_PATTERN_CHARS, 3 * MAX_PATTERN_CHARS - 7, 20_000]
)
def test_a_sites_pattern_is_found_wherever_it_stands(at: int) -> None:
    text = "." * at + "K-123456" + "." * 50
    assert "K-" not in Patterns((), (r"K-\d{6}",)).scrub(text)


def test_long_lists_of_coordinates_are_left_alone() -> None:
    dice = Random(1)
    for digits in (1, 2):
        numbers = " ".join(f"{dice.uniform(0, 500):.{digits}f}" for _ in range(4_000))
        assert Patterns().scrub(numbers).count("\u2022") < len(numbers) / 20


def test_an_address_begins_where_the_one_before_it_ended() -> None:
    scrub = Patterns().scrub
    assert scrub("a@b.co@d.eu") == "\u2022" * 6 + "@d.eu"
    assert scrub("x" * 70 + "@b.co") == "x" * 6 + "\u2022" * 69
    assert scrub("@b.co a@b") == "@b.co a@b"


@pytest.mark.parametrize(
    "piece",
    [
        *("4", "6", "4" * 40 + " ", "1234567 ", "DE11 ", "DE11" + "a1" * 40, "4 1 2 ", "AB12 ", "61 "),
        *("a", "a@", "a@" + "b" * 63, "a@b.", "a" * 64 + "@"),
    ],
)
def test_texts_made_to_be_slow_are_not(piece: str) -> None:
    begin = process_time()
    Patterns(CobrowsePolicy().ids).scrub("@123456" + piece * (200_000 // len(piece)))
    assert process_time() - begin < 3
