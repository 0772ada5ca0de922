"""What somebody takes back holds at once, whether or not it could be written down."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from server.cobrowse.node import Cobrowse
from server.config import Config, SiteConfig
from server.sealing import Box
from signaling.effects import SetGate
from signaling.protocol import EngagementId, ParticipantId, SharedGrant, SiteId

E, BANK = EngagementId("e_1"), SiteId("bank")
GRANTS = tuple(
    SharedGrant(id=f"g_{capability}", capability=capability, holder=ParticipantId("a_1"))
    for capability in ("point", "control")
)
LIVE = SetGate(epoch=1, state="live", grants=GRANTS)


async def test_a_pause_and_a_revoke_that_were_not_stored_outlive_a_load(tmp_path: Path) -> None:
    cobrowse = Cobrowse(
        Config(), {"bank": SiteConfig(origins=("https://bank.example",))}, b"s" * 32, tmp_path
    )

    def decided(order: SetGate, *, again: bool = False) -> tuple[str, list[str]]:
        cobrowse.set_gate(E, BANK, order, Box(None), again=again)
        state = cobrowse.rooms[E].gate.state
        return state.state, [grant.capability for grant in state.grants]

    assert decided(LIVE) == ("live", ["point", "control"])
    cobrowse.hold(E)
    cobrowse.narrow(E, "point")
    assert decided(LIVE, again=True) == ("paused", ["control"]), "it could not be stored, and is read again"
    cobrowse.let_go(E)
    assert decided(LIVE, again=True) == ("paused", ["control"]), "it was loaded anew"
    assert decided(replace(LIVE, state="paused", grants=GRANTS[1:])) == ("paused", ["control"]), "stored"
    assert decided(replace(LIVE, grants=GRANTS[1:])) == ("live", ["control"]), "resumed"
    assert decided(LIVE, again=True) == ("live", ["point", "control"]), "nothing is remembered"
    await cobrowse.close()
