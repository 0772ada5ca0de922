"""A viewer's credit: how much may be on its way to it before it says what it has applied.

Source: docs/cobrowse_wire.md, section 3. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

CREDIT_FRAMES: Final = 32
CREDIT_BYTES: Final = 1024 * 1024


class Verdict(Enum):
    SEND = "send"
    SKIP = "skip"
    KEYFRAME = "keyframe"


_SEND, _SKIP, _KEYFRAME = Verdict.SEND, Verdict.SKIP, Verdict.KEYFRAME


class Credit:
    """`offer` before each frame, `acked` for each ack. A viewer that missed one needs a keyframe."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self.stale = True

    def offer(self, seq: int, size: int) -> Verdict:
        """SEND it; SKIP it, the viewer is behind; KEYFRAME: send a keyframe instead (it missed something)."""
        sent = self._sent
        if sent and (len(sent) >= CREDIT_FRAMES or self._bytes + size > CREDIT_BYTES):
            self.stale = True
            return _SKIP
        if self.stale:
            return _KEYFRAME
        sent.append((seq, size))
        self._bytes += size
        return _SEND

    def sent(self, seq: int, size: int) -> None:
        self.stale = False
        self._sent.append((seq, size))
        self._bytes += size

    def acked(self, seq: int) -> bool:
        """Up to `seq` applied. True when it can take a keyframe now that it needs one."""
        sent = self._sent
        while sent and sent[0][0] <= seq:
            self._bytes -= sent.popleft()[1]
        return self.stale and len(sent) < CREDIT_FRAMES // 2

    def restart(self) -> None:
        """Another stream, or a new socket: what was on its way no longer counts."""
        self._sent.clear()
        self._bytes = 0
        self.stale = True
