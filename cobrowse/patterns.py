"""What looks like a secret wherever it stands: card numbers, IBANs, e-mail addresses, national ids.

The page's recorder has the same rules (`recorder/patterns.ts`); this is the second look. Pure: text in, text
out. Source: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN, mod 97), the registries named at each id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

DOT: Final = "\u2022"
MAX_PATTERN_CHARS: Final = 4_096

# every number we know has so many digits at least; counting them costs a tenth of any pattern
MIN_DIGITS: Final = 6
DIGITS: Final = b"0123456789"

_CARD: Final = re.compile(r"(?<!\d)\d(?:[ .\-]?\d){12,18}(?!\d)", re.ASCII)
_IBAN: Final = re.compile(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}")
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
    plain = text.replace(" ", "").upper()
    return plain.isascii() and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def dots(text: str) -> str:
    """As many dots as the text has UTF-16 units."""
    return DOT * (len(text) + (0 if text.isascii() else sum(letter > "\uffff" for letter in text)))


def _card(match: re.Match[str]) -> str:
    found = match.group()
    return dots(found) if luhn(re.sub(r"\D", "", found)) else found


def _iban(match: re.Match[str]) -> str:
    """People write words right after one: the longest beginning that is an IBAN."""
    found = match.group()
    for end in range(len(found), 14, -1):
        if is_iban(found[:end]):
            return dots(found[:end]) + found[end:]
    return found


def _dots(match: re.Match[str]) -> str:
    return dots(match.group())


def _has_number(text: str) -> bool:
    raw = text.encode()
    return len(raw) - len(raw.translate(None, DIGITS)) >= MIN_DIGITS


class Patterns:
    """The rules of one site. ids: names of NATIONAL_IDS; own: the site's regular expressions."""

    def __init__(self, ids: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        self._hard: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
            (_CARD, _card),
            (_IBAN, _iban),
        ]
        self._hard += [(NATIONAL_IDS[name], _dots) for name in ids if name in NATIONAL_IDS]
        self._own = [re.compile(source) for source in own]

    def scrub(self, text: str, *, shown: bool = False) -> str:
        """The text with each secret as dots of the same UTF-16 length. shown: only what no mark can lift."""
        if "@" in text or _has_number(text):
            for pattern, replace in self._hard:
                text = pattern.sub(replace, text)
            if not shown and "@" in text:
                text = _EMAIL.sub(_dots, text)
        if self._own and not shown:
            for begin in range(0, len(text), MAX_PATTERN_CHARS):
                part = text[begin : begin + MAX_PATTERN_CHARS]
                for pattern in self._own:
                    part = pattern.sub(_dots, part)
                text = text[:begin] + part + text[begin + MAX_PATTERN_CHARS :]
        return text
