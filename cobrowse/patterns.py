"""What looks like a secret wherever it stands: card numbers, IBANs, e-mail addresses, national ids.

The page's recorder has the same rules (`recorder/patterns.ts`); this is the second look. Pure: text in, text
out. Source: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN, mod 97), the registries named at each id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

DOT: Final = "\u2022"
MAX_PATTERN_CHARS: Final = 4_096
OVERLAP_CHARS: Final = 1_024

# every number we know has so many digits at least; counting them costs a tenth of any pattern
MIN_DIGITS: Final = 6
DIGITS: Final = b"0123456789"

# what people and pages put between groups, up to two of them
_GAP: Final = r"[ \t\r\n\xa0\xad\u2000-\u2015\u202f\u2060./\-]{0,2}"
_NUMBER: Final = re.compile(rf"[0-9](?:{_GAP}[0-9]){{12,}}")
# two digits a card number begins with -> how many it has, most first: Maestro, Discover, UnionPay; Visa;
# Mastercard, Mir, JCB, Troy; American Express; Diners; RuPay
_LENGTHS: Final[dict[str, tuple[int, ...]]] = {
    **{begin: (19, 18, 17, 16, 15, 14, 13) for begin in ("50", "56", "57", "58")},
    **{f"6{digit}": (19, 18, 17, 16, 15, 14, 13) for digit in range(10)},
    **{f"4{digit}": (19, 16, 13) for digit in range(10)},
    **{str(begin): (16,) for begin in (51, 52, 53, 54, 55, 22, 23, 24, 25, 26, 27, 35, 97)},
    **{begin: (15,) for begin in ("34", "37")},
    **{begin: (16, 14) for begin in ("30", "36", "38", "39")},
    **{begin: (19, 18, 17, 16) for begin in ("81", "82")},
}
# groups of a number as people write it; more of them are coordinates, unless all are as long
_GROUPS: Final = 5
_ANYWHERE: Final = range(13, 41)
_IBAN: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?=([A-Za-z]{{2}}{_GAP}[0-9]{_GAP}[0-9](?:{_GAP}[A-Za-z0-9]){{11,30}}))"
)
_DIGIT_GROUP: Final = re.compile(r"[0-9]+")
_TWICE: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# letters alone are words; the shortest IBANs have twelve digits
_IBAN_DIGITS: Final = 10
_EMAIL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63})+")

# name -> pattern. ssa.gov; gov.uk NIM39110; BOE (DNI/NIE); Agenzia delle Entrate; INSEE; BZSt; Skatteverket;
# CPR
NATIONAL_IDS: Final[dict[str, re.Pattern[str]]] = {
    "us_ssn": re.compile(r"\b(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}\b"),
    "uk_nino": re.compile(
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", re.IGNORECASE
    ),
    "es_dni": re.compile(r"\b[XYZ\d]\d{7}-?[A-Z]\b", re.IGNORECASE),
    "it_cf": re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", re.IGNORECASE),
    "fr_nir": re.compile(
        r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b", re.IGNORECASE
    ),
    "de_steuer": re.compile(r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b"),
    "se_pnr": re.compile(r"\b(?:19|20)?\d{6}[-+]\d{4}\b"),
    "dk_cpr": re.compile(r"\b\d{6}-\d{4}\b"),
}


def luhn(digits: str) -> bool:
    """ISO/IEC 7812 check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """ISO 13616: four characters to the end, letters as numbers, mod 97 is 1."""
    plain = re.sub(r"[\W_]", "", text).upper()
    return plain.isascii() and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def dots(text: str) -> str:
    """As many dots as the text has UTF-16 units."""
    return DOT * (len(text) + (0 if text.isascii() else sum(letter > "\uffff" for letter in text)))


def _card(match: re.Match[str]) -> str:
    """A row of digits with gaps: a card's number begins and ends with a group, or lies inside a long one."""
    found = match.group()
    row = _Row(found)
    hits: list[tuple[int, int]] = []
    first = 0
    while first + 13 <= len(row.digits):
        last = row.card(first)
        if last:
            hits.append((row.at[first], row.at[last - 1] + 1))
        first = last or first + 1
    return _cover(found, hits)


class _Row:
    """Digits in groups. at: where each stands; _sums: of check digits up to each place."""

    def __init__(self, text: str) -> None:
        self.at: list[int] = []
        self._group: list[int] = []
        self._sizes: list[int] = []
        self._free: list[bool] = []
        for group in _DIGIT_GROUP.finditer(text):
            begin, end = group.span()
            self.at += range(begin, end)
            self._group += [len(self._sizes)] * (end - begin)
            self._free += [end - begin in _ANYWHERE] * (end - begin)
            self._sizes.append(end - begin)
        self.digits = "".join(_DIGIT_GROUP.findall(text))
        plain = [ord(digit) - 48 for digit in self.digits]
        self._sums = [
            [
                0,
                *accumulate(
                    _TWICE[digit] if place % 2 == odd else digit for place, digit in enumerate(plain)
                ),
            ]
            for odd in (0, 1)
        ]

    def card(self, first: int) -> int:
        """Where a card's number that begins there ends, or 0."""
        if self._inside(first):
            return 0
        for length in _LENGTHS.get(self.digits[first : first + 2], ()):
            last = first + length
            if last <= len(self.digits) and not self._inside(last):
                sums = self._sums[last % 2]
                if (sums[last] - sums[first]) % 10 == 0 and self._is_written_so(first, last):
                    return last
        return 0

    def _inside(self, place: int) -> bool:
        """Whether a group that is no number by itself would be cut there."""
        group = self._group
        return 0 < place < len(group) and group[place] == group[place - 1] and not self._free[place]

    def _is_written_so(self, first: int, last: int) -> bool:
        begin, end = self._group[first], self._group[last - 1]
        return end - begin < _GROUPS or len(set(self._sizes[begin:end])) == 1


def _ibans(text: str) -> str:
    """Every beginning counts, as one may stand right after another or after a word that looks like one."""
    hits = [(match.start(), _iban_end(match.group(1), text, match.start())) for match in _IBAN.finditer(text)]
    return _cover(text, [hit for hit in hits if hit[1] > 0])


def _iban_end(found: str, text: str, begin: int) -> int:
    """People write words right after one: the longest beginning that ends with a group and is an IBAN."""
    values = [(place, int(letter, 36)) for place, letter in enumerate(found, 1) if letter.isalnum()]
    front = 0
    for _, value in values[:4]:
        front = front * (100 if value > 9 else 10) + value
    rest, digits, best = 0, 2, 0
    for count, (place, value) in enumerate(values[4:], 5):
        rest = (rest * (100 if value > 9 else 10) + value) % 97
        digits += value < 10
        if count < 15 or digits < _IBAN_DIGITS or text[begin + place : begin + place + 1].isalnum():
            continue
        if (rest * 1_000_000 + front) % 97 == 1:
            best = begin + place
    return best


def _cover(text: str, hits: list[tuple[int, int]]) -> str:
    """The text with dots in these places, which may overlap."""
    if not hits:
        return text
    out: list[str] = []
    done = 0
    for begin, end in sorted(hits):
        if end > done:
            out += [text[done:begin], dots(text[max(begin, done) : end])]
            done = end
    return "".join([*out, text[done:]])


def _dots(match: re.Match[str]) -> str:
    return dots(match.group())


def _has_number(text: str) -> bool:
    raw = text.encode()
    return len(raw) - len(raw.translate(None, DIGITS)) >= MIN_DIGITS


def expressions(ids: Iterable[str]) -> list[list[str]]:
    """Source and JavaScript flags of each id's expression: the page's recorder looks with the same."""
    found = (NATIONAL_IDS[name] for name in ids if name in NATIONAL_IDS)
    return [[pattern.pattern, "i" if pattern.flags & re.IGNORECASE else ""] for pattern in found]


class Patterns:
    """The rules of one site. ids: names of NATIONAL_IDS; own: the site's regular expressions."""

    def __init__(self, ids: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        self._ids = [NATIONAL_IDS[name] for name in ids if name in NATIONAL_IDS]
        self._own = [re.compile(source) for source in own]

    def scrub(self, text: str, *, shown: bool = False) -> str:
        """The text with each secret as dots of the same UTF-16 length. shown: only what no mark can lift."""
        if "@" in text or _has_number(text):
            text = _NUMBER.sub(_card, _ibans(text))
            for pattern in self._ids:
                text = pattern.sub(_dots, text)
            if not shown and "@" in text:
                text = _EMAIL.sub(_dots, text)
        if self._own and not shown:
            for pattern in self._own:
                text = _own(pattern, text)
        return text


def _own(pattern: re.Pattern[str], text: str) -> str:
    """A site's pattern sees a piece at a time, so that none takes for ever; pieces overlap."""
    hits: list[tuple[int, int]] = []
    for begin in range(0, max(1, len(text) - OVERLAP_CHARS), MAX_PATTERN_CHARS - OVERLAP_CHARS):
        hits += [match.span() for match in pattern.finditer(text, begin, begin + MAX_PATTERN_CHARS)]
    return _cover(text, hits)
