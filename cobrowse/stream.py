"""One tab's stream: frames in order, judged, mirrored and kept for those who come late or come back.

It decides whether a frame is the next one, whether a snapshot is needed, and what bytes viewers get: the
recorder's own, or the same frame with literals replaced. It does no I/O and has no clock: times are given.
Source: docs/cobrowse_wire.md, sections 2 and 3.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from msgspec import Struct

from cobrowse.errors import InvalidDiff, ResyncRequired
from cobrowse.frames import Items, decode, encode
from cobrowse.keyframe import hash_of, keyframe, left_out, nodes_between, still
from cobrowse.masking import SECRETS, Checker
from cobrowse.mirror import MAX_BYTES, Mirror
from cobrowse.ops import CODES, MAX_HASHED
from cobrowse.pages import matches
from cobrowse.policy import CobrowsePolicy

LOG_MS: Final = 60_000
# a longer frame takes so long that it is pushed beside the event loop
LARGE_BYTES: Final = 48 * 1024
MAX_LOG_BYTES: Final = 16 * 1024 * 1024
_SNAP: Final = CODES["SNAP"]
_HOLD: Final = CODES["HOLD"]
# after a replaced literal the recorder masks the node itself; until then hashes may differ
FORGIVEN_MS: Final = 5_000
# a hash costs about 1 us a node; one that comes sooner than that after another is not compared
HASH_MS: Final = 1_000
# where something was replaced that the recorder is not told of, hashes differ: repaired no more often
REPAIR_MS: Final = 60_000


class Pushed(Struct, frozen=True):
    """What became of a frame. frame: the bytes for viewers and log, b"" for one that was there already.

    masked: ids of nodes in which a literal was replaced. mismatch: the recorder's hash differs from the
    mirror's.
    """

    frame: bytes
    seq: int
    masked: tuple[int, ...] = ()
    mismatch: bool = False
    snapshot: bool = False


class Stream:
    """State of one tab. doc: which document of the tab it is; epoch grows with each."""

    def __init__(self, policy: CobrowsePolicy) -> None:
        self._policy = policy
        self.doc = ""
        self.epoch = 0
        self.seq = 0
        self.hidden: Counter[str] = Counter()
        self.mirror = Mirror()
        self._log: deque[tuple[int, int, bytes]] = deque()
        self._log_bytes = 0
        self._snapshot_bytes = 0
        self._masked_ms = -FORGIVEN_MS
        self._hashed_ms = -HASH_MS
        # what the recorder was asked to mask since the last snapshot: once is enough
        self._told: set[int] = set()
        self._bent = False
        self._edition = -1
        self._repaired_ms = -REPAIR_MS
        self._keyframe: tuple[int, bytes] | None = None

    def begin(self, doc: str) -> int:
        """A recorder says which document it is. Returns the last seq of it that is here: 0 for a new one."""
        if doc == self.doc and not self.mirror.broken:
            return self.seq
        if doc != self.doc:
            self.doc = doc
            self.epoch += 1
            self._forget()
            self.seq = 0
        return 0

    def lapse(self) -> None:
        """What was taken last may be shown to nobody: the page goes on with a snapshot."""
        self.mirror.broken = True

    @property
    def live(self) -> bool:
        """Whether there is something to show."""
        return self.seq > 0 and (not self.mirror.broken or bool(self.mirror.scenery.held))

    def push(self, frame: bytes, at_ms: int) -> Pushed:
        """Take one frame of the recorder. at_ms: server time.

        Raises: ResyncRequired when a frame before it is missing, InvalidDiff when it cannot be; a snapshot is
        then needed, and nothing else is taken.
        """
        return self.take(decode(frame), frame, at_ms)

    def take(self, items: Items, frame: bytes, at_ms: int) -> Pushed:
        """As push, of a frame that is decoded already."""
        seq = items[0]
        fresh = len(items) > 1 and items[1] in (_SNAP, _HOLD)
        if fresh:
            if seq <= self.seq and not self.mirror.broken:
                return Pushed(b"", seq)
        elif seq != self.seq + 1 or self.mirror.broken:
            if 0 < seq <= self.seq:
                return Pushed(b"", seq)
            raise ResyncRequired(seq, self.seq)
        if fresh:
            self.mirror = Mirror(Checker(self._policy))
            self._told.clear()
            self._bent = False
            self._edition = -1
        changed = self.mirror.apply(items)
        self.mirror.weigh(len(frame), len(items))
        self._visit()
        self.seq = seq
        self._keyframe = None
        masked = self._account(at_ms)
        if changed:
            frame = encode(items)
        if fresh:
            self._forget()
            self._snapshot_bytes = len(frame)
        self._keep(seq, frame, at_ms)
        hashed = self.mirror.scenery.hashed
        mismatch = hashed is not None and self._differs(hashed, at_ms)
        return Pushed(frame, seq, masked, mismatch, fresh)

    def _visit(self) -> None:
        """Raises: InvalidDiff for a page that the rules keep private: its recorder says HOLD instead."""
        scenery = self.mirror.scenery
        if scenery.edition == self._edition:
            return
        self._edition = scenery.edition
        if scenery.url and matches(self._policy.private_pages, scenery.url):
            self.mirror.broken = True
            raise InvalidDiff("private page")

    def _account(self, at_ms: int) -> tuple[int, ...]:
        checker = self.mirror.checker
        if checker is None or not checker.found:
            return ()
        self.hidden.update(kind for kind, _ in checker.found)
        secret = dict.fromkeys(node for kind, node in checker.found if kind in SECRETS and node > 0)
        checker.found.clear()
        self._bent = True
        if not self._told.issuperset(secret):
            self._told.update(secret)
            self._masked_ms = at_ms
        return tuple(secret)

    def _differs(self, hashed: tuple[int, int, int], at_ms: int) -> bool:
        lo, hi, crc = hashed
        self.mirror.scenery.hashed = None
        if at_ms - self._masked_ms < FORGIVEN_MS or at_ms - self._hashed_ms < HASH_MS:
            return False
        self._hashed_ms = at_ms
        nodes = nodes_between(self.mirror, lo, hi)
        # more than any recorder looks at in one go: nothing is compared, a snapshot tells
        if len(nodes) <= MAX_HASHED and hash_of(nodes) == crc:
            return False
        if self._bent:
            if at_ms - self._repaired_ms < REPAIR_MS:
                return False
            self._repaired_ms = at_ms
        return True

    # --- for those who come back or come late -------------------------------------------------------

    def after(self, seq: int) -> list[bytes] | None:
        """The frames after `seq`, or None when the log does not reach back so far."""
        if seq == self.seq:
            return []
        if not self._log or seq < self._log[0][0] - 1 or seq > self.seq:
            return None
        return [frame for number, _, frame in self._log if number > seq]

    def keyframe(self) -> bytes:
        """All of the page in one frame, with the current seq."""
        if self._keyframe is None or self._keyframe[0] != self.seq:
            self._keyframe = (self.seq, keyframe(self.mirror))
        return self._keyframe[1]

    def whole(self) -> bytes:
        """As keyframe, with every still: for recordings."""
        return keyframe(self.mirror, MAX_BYTES)

    def left_out(self) -> list[int]:
        """The nodes whose stills do not come with the keyframe; each is to be sent by `still`."""
        return left_out(self.mirror.scenery)

    def still(self, node: int) -> bytes:
        """One picture in a frame of its own, with the current seq; b"" when it is gone."""
        return still(self.mirror, node)

    def _keep(self, seq: int, frame: bytes, at_ms: int) -> None:
        self._log.append((seq, at_ms, frame))
        self._log_bytes += len(frame)
        while (
            len(self._log) > 1 and at_ms - self._log[0][1] > LOG_MS and self._log_bytes > self._snapshot_bytes
        ):
            self._log_bytes -= len(self._log.popleft()[2])
        while len(self._log) > 1 and self._log_bytes > MAX_LOG_BYTES:
            self._log_bytes -= len(self._log.popleft()[2])

    def _forget(self) -> None:
        self._log.clear()
        self._log_bytes = 0
        self._keyframe = None
