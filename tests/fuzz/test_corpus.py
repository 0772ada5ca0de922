"""The kept corpora through the targets, without the fuzzer: what was found once stays found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import MAX_BYTES, TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_corpus_holds(target: str) -> None:
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for file in kept:
        TARGETS[target](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_real_packets_and_descriptions_hold(target: str) -> None:
    for seed in seeds()[target]:
        assert len(seed) <= MAX_BYTES[target]
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_every_cut_of_a_seed_holds(target: str) -> None:
    for seed in seeds()[target]:
        for size in range(0, len(seed), max(1, len(seed) // 64)):
            TARGETS[target](seed[:size])


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_can_fail(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parser replaced by one that breaks a promise: each target must notice."""
    broken = {
        "guard": ("media.guard.classify", lambda data: "other"),
        "stun": ("media.stun.Request.authentic", lambda self, password: True),
        "rtp": ("media.rtp.rewrite", lambda packet, *numbers: packet.__setitem__(0, 0)),
        "rtcp": ("media.feedback.MAX_BITRATE_BPS", 1),
        "websocket": ("server.cobrowse.websocket.unmasked", lambda payload, mask: payload),
        "sdp": ("media.sdp.HASHES", {"sha-256": 32, "sha-1": 20}),
        "page": ("cobrowse.mirror.Mirror._put", lambda self, items, at, old, new: new),
        "frame": ("cobrowse.mirror.Mirror.replace", lambda self, items, at, text: None),
    }
    name, value = broken[target]
    monkeypatch.setattr(name, value)
    weak = [b"fingerprint:sha-1 " + b":".join([b"AB"] * 20)]
    with pytest.raises((AssertionError, ValueError)):
        for seed in seeds()[target]:
            TARGETS[target](seed)
            for other in weak if target == "sdp" else ():
                TARGETS[target](seed.replace(b"fingerprint:sha-256", other + b"\r\na=fingerprint:sha-256"))
