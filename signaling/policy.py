"""The time-outs a machine obeys; written into its first record, so that replay needs no configuration."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol import ControlKind


class Policy(Struct, frozen=True):
    """All in milliseconds. offer: ring time; *_grace: how long somebody may be away before it counts.

    agent_missed: offers an agent may miss in a row before it is set to `busy` (a count).
    control: how long a grant of control lasts at most; code: how long a code for the phone is good.
    control_kinds, records: what of the shared page the site lets agents ask for.
    direct_calls: two-party calls may go from browser to browser.
    """

    offer_timeout_ms: int = 20_000
    agent_grace_ms: int = 60_000
    visitor_grace_ms: int = 300_000
    leg_grace_ms: int = 45_000
    wrap_up_ms: int = 120_000
    agent_missed: int = 3
    direct_calls: bool = False
    control_ms: int = 600_000
    control_kinds: tuple[ControlKind, ...] = ("scroll", "click", "type", "navigate")
    records: bool = False
    code_ms: int = 600_000
