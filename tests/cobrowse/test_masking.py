"""What passes the second look as it is, and what does not: names, addresses, rules, strings in odd places."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Any, Literal

import pytest

from cobrowse.attributes import FOR_RECORDER, NEVER, RULES
from cobrowse.errors import InvalidDiff, ResyncRequired
from cobrowse.frames import decode, encode
from cobrowse.masking import CSS_LOADS, Checker
from cobrowse.ops import CODES, ELEMENT, END, FLAG_BLOCKED, FLAG_MASKED, FLAG_SHOWN, MOVED
from cobrowse.policy import CobrowsePolicy
from tests.cobrowse.test_stream import CARD, element, frame, page, text, words

RECORDER = Path(__file__).parents[2] / "web_client/packages/cobrowse/src/recorder"
STRICT = CobrowsePolicy(mode="strict")


def test_both_sides_have_the_same_expression() -> None:
    assert f"/{CSS_LOADS}/gis" in (RECORDER / "mask.ts").read_text()


def test_the_second_look_lets_pass_what_the_recorder_is_told_to_send() -> None:
    told = {name: rule for rule, names in FOR_RECORDER.items() for name in names.split()}
    same = {
        "keep": "kept",
        "read": "read",
        "scrub": "id",
        "draw": "drawn",
        "asset": "address",
        "link": "address",
    }
    for name, rule in told.items():
        assert rule == "drop" or RULES.get(name) == same.get(rule, "address")
    assert {name for name, rule in told.items() if rule == "drop"} == NEVER | {"name"}


@pytest.mark.parametrize(
    "css",
    [
        ":root{scroll-behavior:smooth}",
        ".modal{overscroll-behavior:contain}",
        'q::before{content:"//"}',
        'a::after{content:" (" attr(href) ")"}',
        '@namespace svg url("http://www.w3.org/2000/svg");',
        "/*! licence: https://shop.example/mit */ a{color:red}",
        '.fa::before{content:"\\f015"}',
        ".md\\:w-1\\/2{width:50%} .file\\:border{border:0} .data:hover{color:red}",
        '.i{background:url(asset:4)} .j{background:url("asset:4")} .k{clip-path:url("#c")} .l{x:url()}',
        ':root{--bs-font:system-ui,"Segoe UI";--bs-gap:.5rem}',
        '.x{grid-template-areas:"a b"}',
    ],
)
def test_rules_of_ordinary_pages_pass(css: str) -> None:
    stream = page(element("p"))
    sent = frame(2, "SHEET", 1, 0, 0, css, "RADD", 1, 0, css)
    pushed = stream.push(sent, 0)
    assert pushed.frame is sent and pushed.masked == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "radix-:r0:"),
        ("id", "loginForm:user"),
        ("id", "data:x"),
        ("aria-label", "Warning: this cannot be undone"),
        ("aria-controls", "radix-:r1:"),
        ("title", "https://shop.example says: buy"),
        ("_ngcontent-ng-c3141592653", ""),
        ("hx-get", ""),
        ("x-data", ""),
        ("data-state", "open"),
        ("viewBox", "0 0 4111 1111"),
        ("d", "M4111 1111 1111 1111"),
        ("clip-path", "url(#c)"),
        ("fill", 'url("#g")'),
        ("href", "#icon"),
        ("mathvariant", "bold"),
        ("contenteditable", "false"),
    ],
)
def test_attributes_of_ordinary_pages_pass(name: str, value: str) -> None:
    stream = page(element("p"))
    sent = frame(2, "ATTR", 4, name, value)
    assert stream.push(sent, 0).frame is sent


@pytest.mark.parametrize(
    "css",
    [
        "p{background:url(https://evil.example/x)}",
        "p{background:URL('//evil.example/x')}",
        "@import '//evil.example/x';",
        "p{background:image-set('https://evil.example/x' 1x)}",
        "p{background:\\75rl(//evil.example/x)}",
        "p{background:url(//evil.example/x",
        "p{--x:https://evil.example/x}",
    ],
)
def test_rules_that_load_are_made_harmless_without_masking_the_element(css: str) -> None:
    stream = page(element("p"))
    pushed = stream.push(frame(2, "SHEET", 1, 0, 0, css), 0)
    assert b"url(//evil" not in pushed.frame and b"https://evil" not in pushed.frame
    assert b"rl(//" not in pushed.frame or b"\\75rl" not in pushed.frame
    assert pushed.frame != frame(2, "SHEET", 1, 0, 0, css) and pushed.masked == ()


@pytest.mark.parametrize(
    "css", [f"p::after{{content:'{CARD}'}}", f":root{{--card:'{CARD}'}}", f":root{{--card:{CARD}}}"]
)
@pytest.mark.parametrize("op", ["SHEET", "RADD", "RSET", "STYLE"])
def test_rules_say_no_secrets(css: str, op: str) -> None:
    stream = page(element("p"))
    stream.push(frame(2, "SHEET", 1, 0, 0, "p{}"), 0)
    sent = {
        "SHEET": ("SHEET", 2, 0, 0, css),
        "RADD": ("RADD", 1, 0, css),
        "RSET": ("RSET", 1, 0, css),
        "STYLE": ("ATTR", 4, "style", css.partition("{")[2][:-1]),
    }[op]
    assert CARD.encode() not in stream.push(frame(3, *sent), 0).frame


@pytest.mark.parametrize(
    "opening",
    [
        '"a\n',
        '"a\r',
        '"a\f',
        '"a\\\r\n" ',
        'a\\" ',
        "a\\\\\\' ",
        '@namespace ";" ',
        '@namespace/*"*/ ;',
        "/**/",
    ],
)
def test_no_address_passes_as_part_of_a_string_that_is_none(opening: str) -> None:
    """Where CSS is outside of strings again, the second look is too (CSS Syntax 3, 4.3)."""
    rule = f'p{{x:{opening};}} q{{background:url(https://evil.example/x)}} r{{content:"'
    clean = Checker(CobrowsePolicy()).css(rule, 4)
    assert "evil" not in clean and len(clean) == len(rule)


QUOTES = ['"', '\\"', "'\\", '"\n', "\"'", 'content:"\\"', "content:\\'", "--a:\\'"]
OPEN = [
    "/*",
    "@namespace ",
    "@namespace url(",
    "image-set(",
    "image-set(a ",
    "url(#",
    "url(#a",
    "url(asset:1 ",
    "\\0",
]


@pytest.mark.parametrize("mode", ["open", "strict"])
@pytest.mark.parametrize("piece", QUOTES + OPEN)
def test_rules_made_to_be_slow_are_not(piece: str, mode: Literal["open", "strict"]) -> None:
    checker = Checker(CobrowsePolicy(mode=mode))
    begin = process_time()
    for before in ("url(x)", "content:'", '--a:"'):
        checker.css(before + piece * (200_000 // len(piece)) + ")", 4)
    assert process_time() - begin < 3


def test_strict_rules_say_nothing_and_icons_stay() -> None:
    checker = Checker(STRICT)
    assert "Anna" not in checker.css("p::after{content:'Hello Anna'}", 1)
    icon = '.i::before{content:"\\f1"}'
    assert checker.css(icon, 1) == icon


@pytest.mark.parametrize(
    "odd",
    [
        ("FOC", CARD),
        ("NOTE", 0.5, 4),
        ("IMG", 4, "image/4111-1111-1111-1111", b"x"),
        ("ASSET", 1, "0" * 64, "image/anna.berg"),
        ("RUN", 3, 0, ELEMENT | FLAG_BLOCKED << 2, "div", 0, CARD, 2, END),
    ],
)
def test_words_where_numbers_belong_are_refused(odd: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidDiff):
        page(element("p")).push(frame(2, *odd), 0)


@pytest.mark.parametrize(
    "ops",
    [
        ("ADEL", 4, CARD),
        ("ADEL", 4, "x4111111111111111"),
        ("ADEL", 4, "z" * 5_000),
        ("ATTR", 4, "value", "Berg"),
        ("ATTR", 4, "x-4111111111111111", ""),
        ("RUN", 3, 0, ELEMENT, "textarea", 0, *text("Berg"), END, END),
        ("RUN", 3, 0, *element("div", *text("Berg"), contenteditable="true"), END),
    ],
)
def test_strings_that_passed_unjudged_do_not(ops: tuple[Any, ...]) -> None:
    pushed = page(element("input", type="password", flags=FLAG_SHOWN)).push(frame(2, *ops), 0)
    for secret in (CARD.encode(), b"4111111111111111", b"z" * 5_000, b"Berg"):
        assert secret not in pushed.frame
    assert pushed.frame != frame(2, *ops)


@pytest.mark.parametrize("name", ["title", "alt", "aria-label", "data-customer", "placeholder", "summary"])
@pytest.mark.parametrize("how", ["masked", "strict"])
def test_masked_and_strict_attributes_say_nothing(name: str, how: str) -> None:
    flags = FLAG_MASKED if how == "masked" else 0
    stream = page(element("p", flags=flags), policy=STRICT if how == "strict" else None)
    assert b"Anna" not in stream.push(frame(2, "ATTR", 4, name, "Anna Berg"), 0).frame
    state = frame(3, "ATTR", 4, "data-state", "open")
    assert stream.push(state, 0).frame is state


@pytest.mark.parametrize("tag", ["progress", "meter", "li"])
def test_how_far_something_is_stays_and_what_is_in_a_field_does_not(tag: str) -> None:
    sent = frame(2, "ATTR", 4, "value", "0.75")
    assert page(element(tag)).push(sent, 0).frame is sent
    gone = frame(3, "ADEL", 4, "value")
    for name in (tag, "input", "option", "button", "data"):
        value = CARD if name == tag else "0.75"
        stream = page(element(name))
        assert value.encode() not in stream.push(frame(2, "ATTR", 4, "value", value), 0).frame
    stream = page(element(tag, flags=FLAG_MASKED))
    assert b"Anna" not in stream.push(frame(2, "ATTR", 4, "value", "Anna Berg"), 0).frame
    assert stream.push(gone, 0).frame is gone


def test_masked_elements_have_no_pictures() -> None:
    stream = page(element("canvas", flags=FLAG_MASKED))
    pushed = stream.push(
        frame(
            2,
            "ATTR",
            4,
            "style",
            "background:url(asset:1)",
            "ATTR",
            0,
            "src",
            "asset:1",
            "IMG",
            0,
            "image/webp",
            b"pic",
        ),
        0,
    )
    assert b"asset" not in pushed.frame and b"pic" not in pushed.frame
    strict = page(element("canvas"), policy=STRICT).push(frame(2, "IMG", 4, "image/webp", b"pic"), 0)
    assert b"pic" not in strict.frame


def test_what_comes_into_a_masked_place_is_masked_at_once_and_later() -> None:
    stream = page(element("div", flags=FLAG_MASKED), element("p", *text("Anna"), title="Berg"))
    pushed = stream.push(frame(2, "RUN", 4, 0, MOVED, 1, END), 0)
    assert decode(pushed.frame)[-1] == "••••"
    assert words(stream.mirror) == "••••" and (stream.mirror.nodes[5].attributes or {})["title"] == "••••"
    stream.push(frame(3, "TEXT", 6, "Maria"), 0)
    assert words(stream.mirror) == "•••••"


def test_a_field_that_was_secret_stays_so() -> None:
    stream = page(element("input", type="password", flags=FLAG_SHOWN))
    assert b"Berg" not in stream.push(frame(2, "ATTR", 4, "type", "text", "VAL", 0, "Berg"), 0).frame


def test_a_pages_address_holds_no_secret_in_strict_mode() -> None:
    stream = page(policy=CobrowsePolicy(mode="strict", patterns=(r"K-\d+",)))
    pushed = stream.push(frame(2, "PAGE", "https://bank.example/4111111111111111/K-123456", ""), 0)
    assert b"4111111111111111" not in pushed.frame and b"K-123456" not in pushed.frame


def test_nothing_of_a_private_page_is_taken() -> None:
    """Its recorder says HOLD; one that does not is refused, from the beginning or at a change of address."""
    private = CobrowsePolicy(private_pages=("/messages/**",))
    stream = page(element("p", *text("open")), policy=private)
    with pytest.raises(InvalidDiff):
        stream.push(frame(2, "PAGE", "http://bank.example/messages/1", "Messages"), 0)
    with pytest.raises(ResyncRequired):
        stream.push(frame(3, "TEXT", 5, "inside"), 0)
    assert not stream.live
    whole = encode(
        [4, CODES["SNAP"], 0, "http://bank.example/messages/1", "Bank", 800, 600, *element("html"), END]
    )
    with pytest.raises(InvalidDiff):
        stream.push(whole, 0)
    assert not stream.live
