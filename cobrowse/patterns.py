"""What looks like a secret wherever it stands: card numbers, IBANs, e-mail addresses, national ids.

The page's recorder has the same rules (`recorder/patterns.ts`); this is the second look. Pure: text in, text
out. Source: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN, mod 97), the registries named at each id.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
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
_IBAN_RUN: Final = re.compile(rf"[A-Za-z0-9](?:{_GAP}[A-Za-z0-9])*+")
# 97 is prime: powers of ten repeat after 96
_POWERS: Final = tuple(pow(10, count, 97) for count in range(96))
_DIGIT_GROUP: Final = re.compile(r"[0-9]+")
_TWICE: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# letters alone are words; the shortest IBANs have twelve digits
_IBAN_DIGITS: Final = 10
# looked for from the @ on: what stands before it is then looked at once
_LOCAL: Final = r"[\w.!#$%&'*+/=?^`{|}~\-]"
_AT: Final = re.compile(rf"(?<={_LOCAL})@[\w\-]{{1,63}}(?:\.[\w\-]{{1,63}})+")
_LOCAL_BACK: Final = re.compile(_LOCAL + "{1,64}")

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
    hits: list[tuple[int, int]] = []
    run = _Run(text, 0, 0)
    for match in _IBAN.finditer(text):
        begin, end = match.span(1)
        if end > run.end:
            # all that may belong to an IBAN from here on, looked at once for however many begin in it
            found = _IBAN_RUN.match(text, begin)
            run = _Run(text, begin, found.end() if found else begin)
        if (last := run.iban(begin, end)) > 0:
            hits.append((begin, last))
    return _cover(text, hits)


class _Run:
    """Letters and digits with gaps. Remainders (mod 97) of all before each place: any part costs the same."""

    def __init__(self, text: str, begin: int, end: int) -> None:
        self.end = end
        self._at: list[int] = []
        self._ends: list[int] = []
        self._rests, self._widths, self._digits = [0], [0], [0]
        rest = width = digits = 0
        for place in range(begin, end):
            letter = text[place]
            if not letter.isalnum():
                continue
            value = int(letter, 36)
            rest = (rest * (100 if value > 9 else 10) + value) % 97
            width += 1 + (value > 9)
            digits += value < 10
            self._at.append(place)
            self._rests.append(rest)
            self._widths.append(width)
            self._digits.append(digits)
            if not text[place + 1 : place + 2].isalnum():
                self._ends.append(len(self._at))

    def iban(self, begin: int, end: int) -> int:
        """Where the longest IBAN that begins there, ends with a group and lies before `end` ends, or 0.

        People write words right after one.
        """
        first = bisect_left(self._at, begin)
        last = bisect_left(self._at, end)
        head = self._part(first, first + 4)
        for place in reversed(
            self._ends[bisect_left(self._ends, first + 15) : bisect_right(self._ends, last)]
        ):
            if self._digits[place] - self._digits[first] < _IBAN_DIGITS:
                continue
            if (self._part(first + 4, place) * 1_000_000 + head) % 97 == 1:
                return self._at[place - 1] + 1
        return 0

    def _part(self, first: int, last: int) -> int:
        """The remainder of the number that these letters and digits spell."""
        power = _POWERS[(self._widths[last] - self._widths[first]) % 96]
        return (self._rests[last] - self._rests[first] * power) % 97


def _emails(text: str) -> str:
    """At most 64 characters before the @, none of which belongs to the address before."""
    hits: list[tuple[int, int]] = []
    done = 0
    for match in _AT.finditer(text):
        at, end = match.span()
        local = _LOCAL_BACK.match(text[max(done, at - 64) : at][::-1])
        if local is not None:
            hits.append((at - local.end(), end))
            done = end
    return _cover(text, hits)


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
                text = _emails(text)
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
