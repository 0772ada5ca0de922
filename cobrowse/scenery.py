"""What a page has beside its tree.

Values, choices, scrolling, sheets, focus, the top layer, pictures, the viewport.

Applied from frames for the mirror; kept so that a keyframe can tell a late viewer all of it. Nothing here is
about parents and children. Source: docs/cobrowse_wire.md; opcodes in `ops.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cobrowse.dom import ELEMENT_NODE, ROOT
from cobrowse.errors import InvalidDiff, PageTooBig
from cobrowse.frames import Items
from cobrowse.ops import CODES, MAX_ASSETS, MAX_IMAGE_BYTES, MAX_SHEETS, NOTES

if TYPE_CHECKING:
    from cobrowse.mirror import Mirror

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE: Final = re.compile(
    r"image/(?:png|jpeg|gif|webp|avif|svg\+xml|x-icon|vnd\.microsoft\.icon|bmp)|font/[a-z0-9]{1,12}"
    r"|application/(?:x-)?font-[a-z0-9]{1,12}|application/vnd\.ms-fontobject"
)
_RULES: Final = 20_000
_URL: Final = re.compile(r"https?://[^?#\s]*")


class Sheet:
    """Rules of one stylesheet: joined lazily, changed one by one."""

    __slots__ = ("disabled", "owner", "rules")

    def __init__(self, owner: int, disabled: int, rules: str) -> None:
        self.owner = owner
        self.disabled = disabled
        # The first entry may hold many rules; single rules come after it as edits that a keyframe repeats.
        self.rules: list[tuple[int, int, str]] = [(0, 0, rules)]


class Scenery:
    """The state; `forget(id)` when a node goes, `begin` at SNAP."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        # grows when something changes that is told beside the stream: address, title, visible, held
        self.edition = 0
        self.begin(0, 0, 0)

    def begin(self, flags: int, width: int, height: int) -> None:
        self.edition += 1
        self.flags, self.width, self.height = whole(flags), whole(width), whole(height)
        self.url = ""
        self.title = ""
        self.values: dict[int, str] = {}
        self.checks: dict[int, int] = {}
        self.scrolls: dict[int, tuple[int, int]] = {}
        self.tops: dict[int, int] = {}
        self.media: dict[int, tuple[int, float, float]] = {}
        self.images: dict[int, tuple[str, bytes]] = {}
        self.sheets: dict[int, Sheet] = {}
        # by the style element whose rules they are
        self._owned: dict[int, int] = {}
        self.adopted: dict[int, tuple[int, ...]] = {}
        self.assets: dict[int, tuple[str, str]] = {}
        self.notes: set[tuple[int, int]] = set()
        self.focus = 0
        self.selection = (0, 0, 0, 0)
        self.view: tuple[float, ...] | None = None
        self.visible = 1
        self.held = 0
        # lo, hi, crc of the last HASH that nobody has compared yet
        self.hashed: tuple[int, int, int] | None = None

    def handlers(self) -> dict[int, Callable[[Items, int], int]]:
        return {
            CODES["VAL"]: self._val,
            CODES["VSPL"]: self._vspl,
            CODES["CHK"]: self._chk,
            CODES["SCR"]: self._scr,
            CODES["FOC"]: self._foc,
            CODES["SEL"]: self._sel,
            CODES["SHEET"]: self._sheet,
            CODES["RADD"]: self._rule,
            CODES["RSET"]: self._rule,
            CODES["RDEL"]: self._rdel,
            CODES["SDIS"]: self._sdis,
            CODES["ADOPT"]: self._adopt,
            CODES["TOP"]: self._top,
            CODES["MEDIA"]: self._media,
            CODES["IMG"]: self._img,
            CODES["ASSET"]: self._asset,
            CODES["PTR"]: self._ptr,
            CODES["VIEW"]: self._view,
            CODES["PAGE"]: self._page,
            CODES["VIS"]: self._vis,
            CODES["NOTE"]: self._note,
            CODES["HASH"]: self._hash,
            CODES["HOLD"]: self._hold,
        }

    def forget(self, node: int) -> None:
        for kept in (
            self.values,
            self.checks,
            self.scrolls,
            self.tops,
            self.media,
            self.images,
            self.adopted,
        ):
            if kept:
                kept.pop(node, None)
        number = self._owned.pop(node, None)
        if number is not None:
            self.sheets.pop(number, None)

    def weight(self) -> int:
        """Bytes of rules, values, pictures and what is kept per node."""
        rules = sum(len(rule[2]) + 64 for sheet in self.sheets.values() for rule in sheet.rules)
        images = sum(len(image) for _, image in self.images.values())
        adopted = sum(8 * len(numbers) for numbers in self.adopted.values())
        return rules + images + adopted + sum(map(len, self.values.values()))

    def visit(self, items: Items, at: int, url: str, title: str) -> None:
        """Address and title of the page, judged: no query, no fragment, nothing that looks like a secret."""
        mirror = self._mirror
        checker = mirror.checker
        if checker is not None:
            kept = url if url in ("", "about:blank") or _URL.fullmatch(url) else ""
            kept = checker.address(kept)
            if kept != url:
                mirror.replace(items, at, kept)
            url = kept
            checker.visit(url)
            kept = checker.text(title, 0, 1)
            if kept != title:
                mirror.replace(items, at + 1, kept)
            title = kept
        self.url, self.title = url, title
        self.edition += 1

    # --- fields ---------------------------------------------------------------------------------

    def _val(self, items: Items, at: int) -> int:
        field = self._mirror.element(items[at])
        value = self._mirror.literal(items[at + 1])
        checker = self._mirror.checker
        if checker is not None:
            kept = checker.value(field, value, field.stand)
            if kept is not value:
                self._mirror.replace(items, at + 1, kept)
                value = kept
        self.values[field.id] = value
        return at + 2

    def _vspl(self, items: Items, at: int) -> int:
        field = self._mirror.element(items[at])
        old = self.values[field.id]
        value = self._mirror.spliced(items, at + 1, old)
        checker = self._mirror.checker
        if checker is not None:
            kept = checker.value(field, value, field.stand)
            if kept != value:
                value = self._mirror.respliced(items, at + 1, kept)
        self.values[field.id] = value
        return at + 4

    def _chk(self, items: Items, at: int) -> int:
        field = self._mirror.element(items[at])
        checker = self._mirror.checker
        if checker is not None and items[at + 1] and checker.hides(field, field.stand):
            checker.found.append(("choice", field.id))
            items[at + 1] = 0
            self._mirror.changed = True
        self.checks[field.id] = whole(items[at + 1])
        return at + 2

    # --- positions --------------------------------------------------------------------------------

    def _scr(self, items: Items, at: int) -> int:
        node = self._mirror.ref(items[at])
        self.scrolls[node.id] = (whole(items[at + 1]), whole(items[at + 2]))
        return at + 3

    def _foc(self, items: Items, at: int) -> int:
        self.focus = self._known(whole(items[at]))
        return at + 1

    def _sel(self, items: Items, at: int) -> int:
        first, begin, last, end = (whole(value) for value in items[at : at + 4])
        self.selection = (self._known(first), begin, self._known(last), end)
        return at + 4

    def _view(self, items: Items, at: int) -> int:
        width, height = whole(items[at]), whole(items[at + 1])
        self.view = (width, height, *(_number(value) for value in items[at + 2 : at + 5]))
        if len(self.view) != 5:
            raise InvalidDiff("view")
        return at + 5

    def _ptr(self, items: Items, at: int) -> int:
        """Nothing of it is kept: who comes late waits for the next one."""
        _, _, _ = map(whole, items[at : at + 3])
        return at + 3

    # --- sheets -----------------------------------------------------------------------------------

    def _sheet(self, items: Items, at: int) -> int:
        number, owner, disabled = (whole(value) for value in items[at : at + 3])
        owner = self._known(owner)
        before = self._owned.get(owner)
        if owner and before is not None and before != number:
            self.sheets.pop(before, None)
        if number not in self.sheets and len(self.sheets) >= MAX_SHEETS:
            raise PageTooBig("sheets")
        if owner:
            self._owned[owner] = number
        self.sheets[number] = Sheet(owner, disabled, self._css(items, at + 3, owner))
        return at + 4

    def _rule(self, items: Items, at: int) -> int:
        self._edit(items[at - 1], items[at], items[at + 1], self._css(items, at + 2, 0))
        return at + 3

    def _rdel(self, items: Items, at: int) -> int:
        self._edit(items[at - 1], items[at], items[at + 1], "")
        return at + 2

    def _edit(self, op: int, sheet: int, index: int, text: str) -> None:
        edits = self.sheets[whole(sheet)].rules
        if len(edits) > _RULES:
            raise PageTooBig("rules")
        last = edits[-1]
        if op == CODES["RSET"] and last[0] == op and last[1] == index:
            edits[-1] = (op, whole(index), text)
        else:
            edits.append((op, whole(index), text))

    def _sdis(self, items: Items, at: int) -> int:
        self.sheets[whole(items[at])].disabled = whole(items[at + 1])
        return at + 2

    def _adopt(self, items: Items, at: int) -> int:
        root = self._mirror.ref(items[at])
        count = whole(items[at + 1])
        numbers = tuple(whole(number) for number in items[at + 2 : at + 2 + count])
        if root.kind != ROOT or len(numbers) != count or any(number not in self.sheets for number in numbers):
            raise InvalidDiff("adopt")
        self.adopted[root.id] = numbers
        return at + 2 + count

    def _css(self, items: Items, at: int, owner: int) -> str:
        text = self._mirror.literal(items[at])
        if self._mirror.checker is not None:
            kept = self._mirror.checker.css(text, owner)
            if kept != text:
                self._mirror.replace(items, at, kept)
                return kept
        return text

    # --- the rest ---------------------------------------------------------------------------------

    def _top(self, items: Items, at: int) -> int:
        self.tops[self._mirror.element(items[at]).id] = whole(items[at + 1])
        return at + 2

    def _media(self, items: Items, at: int) -> int:
        node = self._mirror.element(items[at])
        self.media[node.id] = (whole(items[at + 1]), _number(items[at + 2]), _number(items[at + 3]))
        return at + 4

    def _img(self, items: Items, at: int) -> int:
        node = self._mirror.element(items[at])
        kind, image = items[at + 1], items[at + 2]
        if type(image) is not bytes or len(image) > MAX_IMAGE_BYTES or _MEDIA_TYPE.fullmatch(kind) is None:
            raise InvalidDiff("image")
        checker = self._mirror.checker
        if checker is not None and image and checker.silent(node.stand):
            checker.found.append(("masked_text", node.id))
            items[at + 2] = image = b""
            self._mirror.changed = True
        self.images[node.id] = (kind, image)
        return at + 3

    def _asset(self, items: Items, at: int) -> int:
        number, digest, kind = items[at : at + 3]
        if not _SHA256.fullmatch(digest) or not _MEDIA_TYPE.fullmatch(kind):
            raise InvalidDiff("asset")
        if len(self.assets) >= MAX_ASSETS:
            raise PageTooBig("assets")
        self.assets[whole(number)] = (digest, kind)
        return at + 3

    def _page(self, items: Items, at: int) -> int:
        self.visit(items, at, self._mirror.literal(items[at]), self._mirror.literal(items[at + 1]))
        return at + 2

    def _vis(self, items: Items, at: int) -> int:
        self.visible = whole(items[at])
        self.edition += 1
        return at + 1

    def _note(self, items: Items, at: int) -> int:
        if not 0 <= whole(items[at]) < len(NOTES):
            raise InvalidDiff("note")
        if len(self.notes) > MAX_ASSETS:
            raise PageTooBig("notes")
        self.notes.add((items[at], whole(items[at + 1])))
        return at + 2

    def _hash(self, items: Items, at: int) -> int:
        """Compared by the stream, which knows what to do when it differs."""
        lo, hi, crc = items[at : at + 3]
        self.hashed = (whole(lo), whole(hi), whole(crc))
        return at + 3

    def _hold(self, items: Items, at: int) -> int:
        self.held = whole(items[at])
        self.edition += 1
        if self.held:
            self._mirror.nodes.clear()
            held = self.held
            self.begin(0, 0, 0)
            self.held = held
            self._mirror.broken = True
        return at + 1

    def _known(self, node: int) -> int:
        """A node's id, or 0: it may be gone by now."""
        return node if node in self._mirror.nodes and self._mirror.nodes[node].kind <= ELEMENT_NODE + 1 else 0


def whole(value: object) -> int:
    """Raises: InvalidDiff."""
    if type(value) is not int or not -(2**31) <= value <= 2**32:
        raise InvalidDiff("number", type(value).__name__)
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise InvalidDiff("number", type(value).__name__)
    return float(value)  # type: ignore[arg-type]
