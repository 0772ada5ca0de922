"""Content is separable: sealed in the log, gone with its key, and the log still folds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from server.backend.open import open_backend
from server.config import Config
from server.render import Names, snapshot
from server.sealing import ERASED, Box, Content, Sealer
from signaling import engagement
from signaling import events as ev
from signaling.protocol import DeviceId, EngagementId, ParticipantId, SiteId
from signaling.timeline import Draft, drafts

CANARY = "canary-4711-in-plain-words"
VISITOR = ParticipantId("v_1")


async def test_erasing_the_key_erases_the_words_and_the_log_still_folds(tmp_path: Path) -> None:
    async with open_backend(Config(data_dir=tmp_path)) as backend:
        sealer = Sealer(tmp_path / "keys", backend.log)
        box = await sealer.create("e_1", VISITOR)
        events: list[ev.EngagementEvent] = [
            ev.Opened(
                at_ms=1,
                site=SiteId("s"),
                engagement=EngagementId("e_1"),
                visitor=VISITOR,
                device=DeviceId("d"),
                name=box.seal(CANARY),
            ),
            ev.MessageSent(
                at_ms=2,
                by=VISITOR,
                device=DeviceId("d"),
                counter=1,
                body_hash=box.digest(CANARY.encode()),
                content=box.seal(Content(CANARY)),
            ),
        ]
        stored = b"".join(msgspec.msgpack.encode(event) for event in events)
        assert CANARY.encode() not in stored
        assert shown(events, box) == CANARY
        await backend.log.drop_key("e_1")
        again = await Sealer(tmp_path / "keys", backend.log).box("e_1")
        assert shown(events, again) == ERASED


def shown(events: list[ev.EngagementEvent], box: Box) -> str:
    """The text of the first message as a reader would see it."""
    state = None
    made: list[Draft] = []
    for event in events:
        before = state
        state, _ = engagement.step(state, event)
        made += drafts(before, event, state)
    assert state is not None
    shot = snapshot(state, made, box, Names({}), "agent")
    return next(item.text for item in shot.items if hasattr(item, "text"))


async def test_the_content_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with open_backend(Config(data_dir=tmp_path)) as backend:
        Sealer(tmp_path / "keys", backend.log)
        assert (tmp_path / "keys/content.key").stat().st_mode & 0o077 == 0
