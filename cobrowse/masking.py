"""The second check: what a frame says is looked at again before anybody gets or keeps it.

A literal that may not pass is replaced by one of the same UTF-16 length, so that string table, splices and
ids of all readers stay in step; nothing is ever dropped. It decides by the node's own attributes in the
mirror, never by what the page promises, but for marks that lift soft rules (FLAG_SHOWN). SVG geometry and
classes are not searched for numbers: coordinates pass Luhn by chance. What a recorder sends of a page without
secrets passes as it is. Source: docs/cobrowse.md, "the second look".
"""

from __future__ import annotations

import re
from typing import Final

from cobrowse.attributes import NEVER, RULES
from cobrowse.dom import BLOCK, MASK, PLAIN, SHOW, Node
from cobrowse.pages import matches
from cobrowse.patterns import DIGITS, DOT, MIN_DIGITS, Patterns, dots
from cobrowse.policy import CobrowsePolicy

_MASKED: Final = re.compile(rf"[{DOT}\s]*")
_NAME: Final = re.compile(r"[A-Za-z_][-\w.:]*", re.ASCII)
_HARD_TYPES: Final = frozenset({"password", "hidden", "file"})
_HARD_AUTOCOMPLETE: Final = re.compile(r"\b(?:cc-[a-z-]+|one-time-code|(?:current|new)-password)\b")
_BUTTONS: Final = frozenset({"submit", "button", "reset", "image"})
_ADDRESS: Final = re.compile(
    r"\s*(?:(?:javascript|data|vbscript|blob|file|https?|ftp|wss?):|//)", re.IGNORECASE
)
_ASSET: Final = re.compile(r"(?:asset:\d{1,6})?|#[^\s]*")
# The recorder has the same expression. Group 1 stays: strings, comments, escaped quotes, namespaces, and what
# loads nothing. What loads, what is an address by itself, and escapes that spell letters outside strings go.
# Strings and comments are taken whole, closed or not, and strings end with their line, as CSS has it (CSS
# Syntax 3, 4.3): nothing passes as part of a string that is none, and no text is looked through twice.
CSS_LOADS: Final = (
    r"""("(?:[^"\\\n\r\f]|\\(?:\r\n|.))*"?|'(?:[^'\\\n\r\f]|\\(?:\r\n|.))*'?|\/\*.*?(?:\*\/|(?!.))|\\["'\\]"""
    r"""|@namespace\s+(?:[-\w]+\s+)?(?:url\(\s*)?(?:"[^"\\\n\r\f]*"|'[^'\\\n\r\f]*'|[^"'\\;{}()\s]+)\s*\)?\s*;"""
    r"""|url\(\s*(?:"(?:asset:\d{1,6}|#[^)"'\\\n\r\f]*)?"|'(?:asset:\d{1,6}|#[^)"'\\\n\r\f]*)?'"""
    r"""|(?:asset:\d{1,6}|#[^)("'\\\s]*)?)\s*\))|@import[^;]*|url\([^)]*\)?"""
    r"""|image-set\((?=(?:(?!image-set\()[^;}])*?(?<!url\()["'](?!image\/|[\s,)]))[^;}]*"""
    r"""|(?<![-\w])(?:src|image)\(\s*["'][^)]*\)?"""
    r"""|(?:https?|wss?|ftp):\/\/[^\s"')]*|(?:java|vb)script:|expression\s*\(|-moz-binding|(?<![-\w])behavior\s*:"""
    r"""|\\(?:0{0,4}(?:[46][1-9a-f]|[57][0-9a])(?![0-9a-f])|[g-z])"""
)
_CSS_ADDRESS: Final = re.compile(CSS_LOADS, re.IGNORECASE | re.DOTALL)
# one of these is in whatever _CSS_ADDRESS takes, and in nearly no style: looking for them costs a tenth
_IN_ADDRESSES: Final = (
    *(
        "url(",
        "://",
        "script:",
        "set(",
        "image(",
        "src(",
        "\\",
        "@import",
        "expression",
        "binding",
        "behavior",
    ),
)
_ESCAPED: Final = r"\\(?:\r\n|.)"
_STRINGS: Final = rf"""(?:"(?:[^"\\\n\r\f]|{_ESCAPED})*"?|'(?:[^'\\\n\r\f]|{_ESCAPED})*'?)"""
# what rules say in words: contents, and custom properties that may become contents
_CSS_SAID: Final = re.compile(
    rf"(?<![-\w])(?:content|--[-\w]+)\s*:(?:{_STRINGS}|{_ESCAPED}|[^;}}\"'\\])*", re.IGNORECASE | re.DOTALL
)
_CSS_WORD: Final = re.compile(r"[^\W_]{3}")
_CSS_STRING: Final = re.compile(_STRINGS, re.DOTALL)
_CSS_PICTURE: Final = re.compile(r"url\((?!\s*[\"']?#)[^)]*\)?", re.IGNORECASE)
_SPEAKS: Final = re.compile(r"[(\"'\\]|--")
_BAD_TAGS: Final = frozenset({"script", "base", "meta", "noscript", "applet", "frameset", "param", "portal"})
# their value is how far, how much, which one; that of fields is what is in them
_NUMBERED: Final = frozenset({"progress", "meter", "li"})
# of other attributes a masked element keeps what looks like a state of the page's own
_TOKEN: Final = re.compile(r"(?:[a-z]{1,20}(?:[-_ ][a-z]{1,20}){0,3}|[\d.%]{1,6})?")
_MAX_NAME: Final = 100
_MAX_NAMES: Final = 10_000
# kinds that the recorder is told of, so that it masks the element itself; anything else is harmless as it is
SECRETS: Final = frozenset({"masked_text", "field_value", "choice", "pattern"})


class Checker:
    """Judges literals for one stream. `found` lists (kind, node id) of what was replaced, without content."""

    def __init__(self, policy: CobrowsePolicy) -> None:
        self._patterns = Patterns(policy.ids, policy.patterns)
        self._only_known = not policy.patterns
        self.strict = policy.mode == "strict"
        self._allow_pages = policy.allow_pages
        self._names: dict[str, bool] = {}
        # fields that were secret once
        self._hard: set[int] = set()
        self.page_shown = False
        self.found: list[tuple[str, int]] = []

    def visit(self, url: str) -> None:
        """The page's address as the recorder tells it: rules by address."""
        self.page_shown = matches(self._allow_pages, url)

    def text(self, text: str, stand: int, node: int) -> str:
        """Text of the page; of a splice the whole result."""
        if self.silent(stand):
            return text if _MASKED.fullmatch(text) else self._replace(text, "masked_text", node)
        # as Patterns.scrub begins, without the calls: most of what a page says has neither
        if self._only_known:
            raw = text.encode()
            if len(raw) - len(raw.translate(None, DIGITS)) < MIN_DIGITS and b"@" not in raw:
                return text
        return self._scrub(text, stand, node)

    def silent(self, stand: int) -> bool:
        """Whether what stands so says nothing."""
        return stand != SHOW and (self.strict or stand != PLAIN)

    def address(self, url: str) -> str:
        """The page's own address."""
        return self._scrub(url, PLAIN, 1)

    def value(self, field: Node, value: str, stand: int) -> str:
        """A form field's value."""
        attributes = field.attributes or {}
        kind = attributes.get("type", "").lower()
        if field.tag == "input" and kind in _BUTTONS:
            return self.text(value, stand, field.id)
        if _MASKED.fullmatch(value):
            return value
        if self.hides(field, stand):
            return self._replace(value, "field_value", field.id)
        return self._scrub(value, SHOW, field.id)

    def hides(self, field: Node, stand: int) -> bool:
        """Whether a field's value stays in the browser."""
        if field.id in self._hard:
            return True
        return stand != SHOW and not (self.page_shown and stand == PLAIN)

    def edits(self, stand: int, value: str) -> bool:
        """Whether an element with that `contenteditable` is somebody's text."""
        return stand == PLAIN and not self.page_shown and value != "false"

    def tag(self, tag: str, node: int) -> bool:
        good = self._names.get(tag)
        if good is None:
            good = self._know(tag, tag, tag.lower() not in _BAD_TAGS)
        if not good:
            self.found.append(("tag", node))
        return good

    def name(self, name: str, node: int, tag: str = "") -> bool:
        if name == "value" and tag in _NUMBERED:
            return True
        key = "@" + name
        good = self._names.get(key)
        if good is None:
            lower = name.lower()
            good = self._know(key, name, not lower.startswith("on") and lower not in NEVER)
        if not good:
            self.found.append(("attribute", node))
        return good

    def attribute(self, name: str, value: str, stand: int, node: int) -> str:
        if name == "style":
            return self.css(value, node, stand) if _SPEAKS.search(value) else value
        rule = RULES.get(name) or RULES.get(name.lower(), "")
        if rule == "kept":
            if name == "type" or name == "autocomplete":
                self._harden(value.lower(), node)
            return value
        if rule == "read":
            return self.text(value, stand, node)
        if rule == "address":
            good = _ASSET.fullmatch(value) and (stand in (PLAIN, SHOW) or not value.startswith("asset"))
            return value if good else self._replace(value, "address", node)
        if rule == "id":
            return self._scrub(value, stand, node)
        return self._other(value, rule == "drawn", stand, node)

    def _other(self, value: str, drawn: bool, stand: int, node: int) -> str:
        if _ADDRESS.match(value):
            return self._replace(value, "address", node)
        if "url(" in value.lower():
            return self.css(value, node, stand)
        if drawn:
            return value
        if self.silent(stand) and not _TOKEN.fullmatch(value):
            return value if _MASKED.fullmatch(value) else self._replace(value, "masked_text", node)
        return self._scrub(value, stand, node)

    def _harden(self, value: str, node: int) -> None:
        """A field that was secret once stays so, also when its type is changed to show it."""
        if value in _HARD_TYPES or _HARD_AUTOCOMPLETE.search(value):
            self._hard.add(node)

    def css(self, text: str, node: int, stand: int = PLAIN) -> str:
        """Rules or a style: nothing is loaded or said that may not be; masked elements have no pictures."""
        low = text.lower()
        clean = text
        if any(word in low for word in _IN_ADDRESSES):
            clean = _CSS_ADDRESS.sub(lambda match: match.group(1) or dots(match.group()), clean)
            if stand in (MASK, BLOCK):
                clean = _CSS_PICTURE.sub(_dots, clean)
            if clean != text:
                self.found.append(("address", node))
        if "content" in low or "--" in low:
            clean = _CSS_SAID.sub(lambda match: self._said(match.group(), stand, node), clean)
        return clean

    def _said(self, rule: str, stand: int, node: int) -> str:
        if not self.silent(stand):
            return self._scrub(rule, stand, node)
        clean = _CSS_STRING.sub(_unsaid, rule)
        if clean != rule:
            self.found.append(("masked_text", node))
        return clean

    def _know(self, key: str, name: str, good: bool) -> bool:
        """A name is no place for a number either."""
        if len(self._names) > _MAX_NAMES:
            self._names.clear()
        digits = sum("0" <= letter <= "9" for letter in name[:_MAX_NAME])
        good = good and len(name) <= _MAX_NAME and digits < 13 and _NAME.fullmatch(name) is not None
        self._names[key] = good
        return good

    def _scrub(self, text: str, stand: int, node: int) -> str:
        clean = self._patterns.scrub(text, shown=stand == SHOW)
        if clean is not text and clean != text:
            self.found.append(("pattern", node))
        return clean

    def _replace(self, text: str, kind: str, node: int) -> str:
        self.found.append((kind, node))
        return dots(text)


def _dots(match: re.Match[str]) -> str:
    return dots(match.group())


def _unsaid(match: re.Match[str]) -> str:
    """A string of a rule, with dots for its words."""
    string = match.group()
    if not _CSS_WORD.search(string):
        return string
    end = len(string) - (len(string) > 1 and string[-1] == string[0])
    return string[0] + dots(string[1:end]) + string[end:]
