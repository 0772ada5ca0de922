"""The opcodes of a cobrowse frame as data, the static string table, and the limits of a stream.

One source: `talknow schema` writes the same table as TypeScript (`ops.ts` and `words.ts` in
`web_client/packages/protocol/src`). It names shapes only; what an op does is in `mirror.py`, what may be in
it in `masking.py`. Opcodes and table entries are never reused or moved. Source: docs/cobrowse_wire.md.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

WIRE_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 512
MAX_LITERAL_CHARS: Final = 2 * 1024 * 1024
MAX_TABLE: Final = 32_768
MAX_TABLE_CHARS: Final = 32
MAX_OPS: Final = 100_000
MAX_SHEETS: Final = 4_096
MAX_ASSETS: Final = 4_096
MAX_IMAGE_BYTES: Final = 512 * 1024
# nodes in one HASH
MAX_HASHED: Final = 4_096
MAX_ASSET_BYTES: Final = 4 * 1024 * 1024

# SNAP_FLAGS: 1 quirks mode; the device: 2 dark, 4 touch, 8 less motion; 16 a page dark by its head alone
# node heads: kind | flags << 2
MOVED: Final = 0
ELEMENT: Final = 1
TEXT_NODE: Final = 2
END: Final = 3
FLAG_SVG: Final = 1
FLAG_MATHML: Final = 2
FLAG_SHADOW: Final = 4
FLAG_BLOCKED: Final = 8
FLAG_FRAME: Final = 16
FLAG_MASKED: Final = 32
FLAG_SHOWN: Final = 64
FLAG_QUIRKS: Final = 128  # of a frame's document


class Op(Struct, frozen=True):
    """One opcode. args: one letter per argument.

    r: node reference, a delta against the last reference of the frame · i: int >= 0 · z: int · f: number ·
    s: string slot (int: table index, str: literal, which both ends append when it is <= 32 UTF-16 units) ·
    t: text, never in the table · b: bytes · I: count and that many ints · T: count and that many texts ·
    N: nodes up to END · K: nodes with their ids up to END.
    """

    code: int
    name: str
    args: str


OPS: Final = (
    Op(1, "SNAP", "ittiiN"),  # SNAP_FLAGS, url, title, width, height, children of the document
    Op(2, "KEY", "ittiiiTK"),  # as SNAP; next id, string table, children with their ids
    Op(3, "RUN", "rrN"),  # parent, anchor (delta 0: first), consecutive children after the anchor
    Op(4, "REM", "r"),  # forget a node and what is in it
    Op(5, "DET", "r"),  # take it out, a RUN of the same frame puts it somewhere
    Op(6, "ATTR", "rss"),
    Op(7, "ADEL", "rs"),
    Op(8, "ASPL", "rsiit"),  # keep so many UTF-16 units of the old value's head and tail
    Op(9, "TEXT", "rt"),
    Op(10, "TSPL", "riit"),
    Op(11, "VAL", "rt"),  # value of a form field
    Op(12, "VSPL", "riit"),
    Op(13, "CHK", "ri"),  # 1 checked or selected, 2 indeterminate
    Op(14, "SCR", "rzz"),
    Op(15, "FOC", "i"),  # node id, 0: none
    Op(16, "SEL", "iiii"),  # anchor id, offset, focus id, offset; zeros: none
    Op(17, "SHEET", "iiit"),  # number, owner's node id (0: constructed), disabled, rules
    Op(18, "RADD", "iit"),  # sheet, index, rule
    Op(19, "RDEL", "ii"),
    Op(20, "RSET", "iit"),
    Op(21, "SDIS", "ii"),
    Op(22, "ADOPT", "rI"),  # root, sheets
    Op(23, "TOP", "ri"),  # 0 closed, 1 dialog, 2 modal dialog, 3 popover
    Op(24, "MEDIA", "riff"),  # 1 paused, 2 muted; time in s, rate
    Op(25, "IMG", "rtb"),  # still image of a canvas or video: media type, bytes
    Op(26, "ASSET", "itt"),  # number, SHA-256 (hex), media type: what `asset:NUMBER` stands for
    Op(27, "PTR", "zzi"),  # viewport x, y; 0 moved, 1 pressed, 2 released, 3 touched
    Op(28, "VIEW", "iifff"),  # viewport width, height; pinch scale, visual offset x, y
    Op(29, "PAGE", "tt"),  # url, title
    Op(30, "VIS", "i"),  # 1 visible, 0 in the background
    Op(31, "NOTE", "ii"),  # what cannot be shown (NOTES), node id
    Op(32, "HASH", "iii"),  # CRC-32 of the nodes with lo <= id < hi, as they are at this place of the stream
    Op(
        33, "HOLD", "i"
    ),  # nothing is shown: 1 page is private by rule, 2 paused by the visitor; 0 over (SNAP follows)
)
NAMES: Final = {op.code: op.name for op in OPS}
CODES: Final = {op.name: op.code for op in OPS}

# messages beside the stream: [0, code, ...]
SIDE: Final = {
    "HELLO": 1,
    "WELCOME": 2,
    "ACK": 3,
    "NEED": 4,
    "MASKED": 5,
    "WATCH": 6,
    "POINT": 7,
    "MARK": 8,
    "DRAW": 9,
    "CONTROL": 10,
    "DID": 11,
    "SELECT": 12,
    "STREAMS": 13,
    "SWITCH": 14,
    "HAVE": 15,
    "WANT": 16,
    "BYE": 17,
    "ERROR": 18,
}

# why the picture is not whole (NOTE)
NOTES: Final = ("foreign_frame", "canvas", "stylesheet", "plugin", "font", "image", "too_big")

STATIC_TABLE: Final = tuple(
    dict.fromkeys(
        # 0 is never sent: index 0 would read as "no string"
        (
            "|html|head|body|meta|title|link|style|script|noscript|template|slot|div|span|p|a|ul|ol|li|dl|dt|dd|table"
            "|thead|tbody|tfoot|tr|td|th|caption|colgroup|col|form|label|input|textarea|select|option|optgroup|button"
            "|fieldset|legend|datalist|output|progress|meter|h1|h2|h3|h4|h5|h6|header|footer|main|nav|section|article"
            "|aside|figure|figcaption|address|blockquote|pre|code|em|strong|b|i|u|s|small|sub|sup|br|hr|img|picture"
            "|source|video|audio|track|canvas|iframe|object|embed|svg|g|path|rect|circle|ellipse|line|polyline|polygon"
            "|text|tspan|defs|use|symbol|clipPath|mask|linearGradient|radialGradient|stop|foreignObject|details|summary"
            "|dialog|menu|time|abbr|mark|kbd|wbr|math|mrow|mi|mo|mn|mfrac|msup|msub"
            "|id|class|style|type|name|value|href|src|alt|title|width|height|colspan|rowspan|role|tabindex|disabled"
            "|checked|selected|multiple|readonly|required|placeholder|hidden|open|lang|dir|for|rows|cols|size|min|max"
            "|step|maxlength|autocomplete|aria-label|aria-hidden|aria-expanded|aria-selected|aria-current|aria-checked"
            "|aria-disabled|aria-controls|aria-labelledby|aria-describedby|aria-live|popover|part|exportparts|viewBox"
            "|fill|stroke|stroke-width|d|x|y|x1|y1|x2|y2|cx|cy|r|rx|ry|points|transform|opacity|preserveAspectRatio"
            "|xmlns|offset|stop-color|gradientUnits|clip-path|fill-rule|text-anchor|font-size|loading|decoding|media"
            "|rel|stylesheet|true|false|none|button|submit|text|checkbox|radio|password|email|tel|number|hidden|search"
            "|currentColor|0|1|2|3|4|5|10|100%|auto|\n| |en|ltr|lazy|async|row|col"
        ).split("|")
    )
)
FIRST_OWN: Final = len(STATIC_TABLE)
