"""What becomes of attributes, by name: for the recorder, which learns it from WELCOME, and the second look.

Source: docs/cobrowse.md, "attributes"; the names are those of HTML, SVG 2, MathML Core and WAI-ARIA 1.2.
"""

from __future__ import annotations

from typing import Final

# layout and state: digits in them mean nothing
_KEPT: Final = (
    "class type width height colspan rowspan role tabindex disabled readonly required hidden open "
    "lang dir rows cols size multiple popover part exportparts slot inert align valign bgcolor "
    "border cellpadding cellspacing color face start reversed span scope wrap controls media viewbox "
    "max hspace vspace clear nowrap frame rules compact noshade frameborder scrolling marginwidth "
    "marginheight autocomplete contenteditable data-no-control aria-hidden aria-expanded "
    "aria-selected aria-current aria-checked aria-pressed aria-disabled aria-modal aria-orientation "
    "aria-sort aria-busy aria-invalid"
)
# people read them
_READ: Final = (
    "title alt placeholder aria-label aria-description aria-roledescription aria-placeholder label summary"
)
# how SVG and MathML are drawn: coordinates pass Luhn by chance
_DRAWN: Final = (
    "d points transform x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy rotate preserveaspectratio "
    "pathlength offset fill fill-opacity fill-rule stroke stroke-width stroke-opacity "
    "stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit opacity "
    "display visibility overflow clip-path clip-rule mask filter color-interpolation-filters "
    "shape-rendering text-rendering image-rendering vector-effect paint-order pointer-events "
    "marker-start marker-mid marker-end stop-color stop-opacity flood-color flood-opacity "
    "lighting-color font-family font-size font-style font-weight letter-spacing word-spacing "
    "text-anchor text-decoration dominant-baseline alignment-baseline baseline-shift "
    "transform-origin gradientunits gradienttransform spreadmethod patternunits patterncontentunits "
    "patterntransform clippathunits maskunits maskcontentunits filterunits primitiveunits "
    "markerunits markerwidth markerheight refx refy orient textlength lengthadjust startoffset in "
    "in2 result values stddeviation operator k1 k2 k3 k4 scale xchannelselector ychannelselector "
    "mode radius basefrequency numoctaves seed stitchtiles tablevalues slope intercept amplitude "
    "exponent mathvariant displaystyle scriptlevel linethickness stretchy fence lspace rspace accent "
    "columnalign rowalign columnspacing rowspacing"
)
_IDS: Final = "id for aria-labelledby aria-controls aria-describedby"
# what is in a field is said by ops of its own; the others load, run or tell
_NEVER: Final = (
    "value checked selected srcset srcdoc nonce integrity data action formaction ping http-equiv archive code"
)

# rule -> names; `name` of a slot is the recorder's to tell apart, any other never leaves
FOR_RECORDER: Final[dict[str, str]] = {
    "keep": _KEPT,
    "read": _READ,
    "scrub": _IDS,
    "asset": "src poster background",
    "drop": f"{_NEVER} name",
    "link": "href xlink:href",
    "draw": _DRAWN,
}
NEVER: Final = frozenset(_NEVER.split())
RULES: Final[dict[str, str]] = {
    **dict.fromkeys(_DRAWN.split(), "drawn"),
    **dict.fromkeys(_KEPT.split(), "kept"),
    **dict.fromkeys(_READ.split(), "read"),
    **dict.fromkeys((*_IDS.split(), "name"), "id"),
    **dict.fromkeys("src href xlink:href poster background cite longdesc manifest".split(), "address"),
}
