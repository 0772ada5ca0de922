"""The second check: what a frame says is looked at again before anybody gets or keeps it.

A literal that may not pass is replaced by one of the same UTF-16 length, so that string table, splices and
ids of all readers stay in step; nothing is ever dropped. It decides by the node's own attributes in the
mirror, never by what the page promises, but for marks that lift soft rules (FLAG_SHOWN). SVG geometry,
classes and styles are not searched for numbers: coordinates pass Luhn by chance. Source: docs/cobrowse.md,
"the second look".
"""

from __future__ import annotations

import re
from typing import Final

from cobrowse.dom import PLAIN, SHOW, Node
from cobrowse.pages import matches
from cobrowse.patterns import DIGITS, DOT, MIN_DIGITS, Patterns, dots
from cobrowse.policy import CobrowsePolicy

_MASKED: Final = re.compile(rf"[{DOT}\s]*")
_NAME: Final = re.compile(r"[A-Za-z_][-\w.:]*", re.ASCII)
_HARD_TYPES: Final = frozenset({"password", "hidden", "file"})
_HARD_AUTOCOMPLETE: Final = re.compile(r"\b(?:cc-[a-z-]+|one-time-code|(?:current|new)-password)\b")
_BUTTONS: Final = frozenset({"submit", "button", "reset", "image"})
_ADDRESS: Final = re.compile(r"\s*(?:[a-z][a-z0-9+.\-]*:|//)", re.IGNORECASE)
_ASSET: Final = re.compile(r"(?:asset:\d{1,6})?|#[^\s]*")
_CSS_ADDRESS: Final = re.compile(
    r"@import[^;]*|url\(\s*[\"']?(?!asset:\d|#|[\"']?\s*\))[^)]*\)?|(?:https?:|wss?:|ftp:|javascript:|vbscript:|data:|blob:"
    r"|file:|//)[^\s\"')]*|expression\s*\(|-moz-binding|behavior\s*:",
    re.IGNORECASE,
)
# one of these is in whatever _CSS_ADDRESS matches, and in nearly no style: looking for them costs a tenth
_IN_ADDRESSES: Final = (
    *("url(", "//", "tp:", "tps:", "ws:", "wss:", "script:", "data:", "blob:", "file:"),
    *("@import", "expression", "binding", "behavior"),
)
_BAD_TAGS: Final = frozenset({"script", "base", "meta", "noscript", "applet", "frameset", "param", "portal"})
_BAD_NAMES: Final = frozenset(
    {
        "srcdoc",
        "srcset",
        "action",
        "formaction",
        "ping",
        "nonce",
        "http-equiv",
        "integrity",
        "archive",
        "code",
        "data",
    }
)
_ADDRESSES: Final = frozenset(
    {"src", "href", "xlink:href", "poster", "background", "cite", "longdesc", "manifest"}
)
# attribute values that are geometry, style or structure: digits in them mean nothing
_UNREAD: Final = frozenset(
    "class style d points transform viewBox x y x1 y1 x2 y2 cx cy r rx ry width height type role dir lang"
    " stroke-dasharray values keyTimes gradientTransform patternTransform pathLength offset".split()
)


class Checker:
    """Judges literals for one stream. `found` lists (kind, node id) of what was replaced, without content."""

    def __init__(self, policy: CobrowsePolicy) -> None:
        self._patterns = Patterns(policy.ids, policy.patterns)
        self._only_known = not policy.patterns
        self.strict = policy.mode == "strict"
        self._allow_pages = policy.allow_pages
        self._names: dict[str, bool] = {}
        self.page_shown = False
        self.found: list[tuple[str, int]] = []

    def visit(self, url: str) -> None:
        """The page's address as the recorder tells it: rules by address."""
        self.page_shown = matches(self._allow_pages, url)

    def text(self, text: str, stand: int, node: int) -> str:
        """Text of the page; of a splice the whole result."""
        if stand != SHOW and (self.strict or stand != PLAIN):
            return text if _MASKED.fullmatch(text) else self._replace(text, "masked_text", node)
        # as Patterns.scrub begins, without the calls: most of what a page says has neither
        if self._only_known:
            raw = text.encode()
            if len(raw) - len(raw.translate(None, DIGITS)) < MIN_DIGITS and b"@" not in raw:
                return text
        return self._scrub(text, stand, node)

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
        attributes = field.attributes or {}
        if attributes.get("type", "").lower() in _HARD_TYPES:
            return True
        if _HARD_AUTOCOMPLETE.search(attributes.get("autocomplete", "").lower()):
            return True
        return stand != SHOW and not (self.page_shown and stand == PLAIN)

    def tag(self, tag: str, node: int) -> bool:
        good = self._names.get(tag)
        if good is None:
            good = self._known(tag, tag.lower() not in _BAD_TAGS)
        if not good:
            self.found.append(("tag", node))
        return good

    def name(self, name: str, node: int) -> bool:
        key = "@" + name
        good = self._names.get(key)
        if good is None:
            lower = name.lower()
            good = (
                _NAME.fullmatch(name) is not None and not lower.startswith("on") and lower not in _BAD_NAMES
            )
            self._names[key] = good
        if not good:
            self.found.append(("attribute", node))
        return good

    def attribute(self, name: str, value: str, stand: int, node: int) -> str:
        if name == "style":
            return self.css(value, node) if "(" in value or "\\" in value else value
        if name in _ADDRESSES:
            return value if _ASSET.fullmatch(value) else self._replace(value, "address", node)
        if name in _UNREAD:
            return value
        if _ADDRESS.match(value):
            return self._replace(value, "address", node)
        if "url(" in value:
            return self.css(value, node)
        return self._scrub(value, stand, node)

    def css(self, text: str, node: int) -> str:
        low = text.lower()
        if not any(word in low for word in _IN_ADDRESSES):
            return text
        clean = _CSS_ADDRESS.sub(lambda match: dots(match.group()), text)
        if clean is not text and clean != text:
            self.found.append(("address", node))
        return clean

    def _known(self, name: str, good: bool) -> bool:
        self._names[name] = good = good and _NAME.fullmatch(name) is not None
        return good

    def _scrub(self, text: str, stand: int, node: int) -> str:
        clean = self._patterns.scrub(text, shown=stand == SHOW)
        if clean is not text and clean != text:
            self.found.append(("pattern", node))
        return clean

    def _replace(self, text: str, kind: str, node: int) -> str:
        self.found.append((kind, node))
        return dots(text)
