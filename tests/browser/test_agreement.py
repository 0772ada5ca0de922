"""Recorder and server agree: of a page in the words of many frameworks nothing is refused, nothing masked."""

from __future__ import annotations

from typing import Any

import msgspec
from playwright.sync_api import WebSocket, expect

from cobrowse.ops import SIDE
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Stream
from tests.browser.conftest import Browsers
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

CSS = """
@namespace svg url("http://www.w3.org/2000/svg");
:root{--bs-font:system-ui,"Segoe UI",sans-serif;--bs-gap:.5rem;scroll-behavior:smooth}
/*! licence: https://licence.example/mit */
.offcanvas{overscroll-behavior:contain;background:var(--bs-gap)}
.crumb::before{content:"//"} .fa::before{content:"\\f015"} a.out::after{content:" (" attr(href) ")"}
.md\\:w-1\\/2{width:50%} .hover\\:bg-\\[\\#fff\\]:hover{color:#111} .data:hover{color:red}
.check{background:URL("data:image/svg+xml,%3csvg xmlns='http://www.w3.org/2000/svg'/%3e")}
[data-state="open"]{color:green} .cut{clip-path:url(#cut)} .set{background:image-set("/a.png" 1x)}
"""
BODY = """
<div id="radix-:r0:" aria-controls="radix-:r1:" data-state="open" aria-label="Warning: no way back">one</div>
<form id="loginForm" action="/login"><input id="loginForm:user" name="loginForm:user" value="Anna">
 <button formaction="/x" type="submit">Send</button></form>
<div x-data="{open:false}" @click="open=true" :class="open&&'on'" x-on:click.away="no" v-if="a" #ref *ngIf="b">two</div>
<app-root _ngcontent-ng-c3141592653 ng-version="17" (click)="go()" [title]="x">three</app-root>
<div hx-get="https://shop.example/a" hx-target="#x" title="https://shop.example: buy" data-url="//shop.example">four</div>
<p style="background:URL(/passport.jpg);--x:url(//e.example/y);behavior:none">five</p>
<p style="background:url('/unclosed.png">six</p>
<svg viewBox="0 0 40 40" data-customer="Berg" xmlns:xlink="http://www.w3.org/1999/xlink"><defs><clipPath id="cut">
 <rect width="9" height="9" data-customer="Berg" customer="Berg"/></clipPath>
 <symbol id="s"><path d="M4111 1111 1111 1111"/></symbol></defs>
 <use xlink:href="#s" href="#s"/><path fill="url(#g)" clip-path="url('#cut')" d="M0 0L4 4"/></svg>
<math><mi mathvariant="bold" data-customer="Berg" customer="Berg">x</mi></math>
<div data-talknow-mask style="background-image:url(/passport.jpg)" title="Anna Berg">secret</div>
<div contenteditable="true">draft</div><div contenteditable="false">label</div>
<progress value="0.4" max="1"></progress><textarea>words</textarea>
"""


class Frames:
    """What a page's recorder sends, and what it is told to mask."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.masked: list[Any] = []

    def opened(self, socket: WebSocket) -> None:
        if "cobrowse" in socket.url:
            socket.on("framesent", lambda data: self.sent.append(bytes(data)))
            socket.on("framereceived", self._told)

    def _told(self, data: Any) -> None:
        items = msgspec.msgpack.decode(bytes(data))
        if items[:2] == [0, SIDE["MASKED"]]:
            self.masked.append(items)


def test_ordinary_pages_pass_the_second_look_as_they_are(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    frames = Frames()
    customer.page.on("websocket", frames.opened)
    seen = shared(customer, agent)
    customer.page.evaluate(
        """([css, body]) => {
          document.head.append(Object.assign(document.createElement('style'), { textContent: css }));
          const main = document.createElement('main');
          main.innerHTML = body + '<b id=last>last</b>';
          document.body.append(main);
        }""",
        [CSS, BODY],
    )
    expect(seen.locator("#last")).to_have_text("last")
    customer.page.evaluate(
        """() => { for (const e of document.querySelectorAll('main *')) {
          e.setAttribute('id', e.id + ':x'); e.setAttribute('style', 'background:URL(//x.example/a);color:red'); }
          document.querySelector('main b').textContent = 'done'; }"""
    )
    expect(seen.get_by_text("done", exact=True)).to_be_visible()
    stream = Stream(CobrowsePolicy())
    stream.begin("d")
    refused: list[Any] = []
    for data in frames.sent:
        if msgspec.msgpack.decode(data)[0] > 0:
            pushed = stream.push(data, 0)
            if pushed.frame != data:
                refused.append((msgspec.msgpack.decode(data), msgspec.msgpack.decode(pushed.frame)))
    differences = [
        pair for before, after in refused for pair in zip(before, after, strict=False) if pair[0] != pair[1]
    ]
    assert not differences
    assert stream.seq > 1 and not stream.hidden and not frames.masked
    everything = b"".join(frames.sent)
    for private in (b"Berg", b"passport", b"Anna", b"shop.example/a", b"secret", b"draft"):
        assert private not in everything
