"""What a site says about sharing its pages: one frozen Struct, read by the page's recorder and by the server.

It holds rules, not reasons; the hard rules that no site can lift stand in `masking.py` and in the recorder's
`mask.ts`. Source: docs/cobrowse.md, "how a site marks things".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ControlKind = Literal["scroll", "click", "type", "navigate"]


class CobrowsePolicy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[sites.ID.cobrowse]`.

    mode: `open` sends text but no form values, `strict` sends no text either, but for what is allowed.
    mask, allow, block: CSS selectors of what stays in the browser, of what may be sent, of empty boxes.
    allow_pages: URL globs whose form values may be sent like allowed ones. private_pages: URL globs on which
    sharing pauses by itself. patterns: regular expressions of more secrets. ids: national ids looked for
    (see masking.NATIONAL_IDS). keep_length: masked text keeps its length; else it is eight dots.
    assets: whose pictures and fonts the visitor's browser may send: `own` origin, `all`, `none`.
    control: kinds an agent may ask for. control_ttl_s: how long a grant lasts at most.
    continue_on_origins: other origins of the site on which sharing goes on without a new consent.
    record: whether frames may be kept with the engagement (needs the visitor's consent too).
    """

    enabled: bool = True
    mode: Literal["open", "strict"] = "open"
    mask: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    allow_pages: tuple[str, ...] = ()
    private_pages: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    ids: tuple[str, ...] = ("us_ssn", "uk_nino", "es_dni", "it_cf", "fr_nir", "de_steuer", "se_pnr", "dk_cpr")
    keep_length: bool = False
    assets: Literal["own", "all", "none"] = "own"
    control: tuple[ControlKind, ...] = ("scroll", "click", "type", "navigate")
    control_ttl_s: int = 600
    continue_on_origins: tuple[str, ...] = ()
    record: bool = False
