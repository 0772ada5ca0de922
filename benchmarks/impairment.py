"""A model of a bad link: given when a packet of which size enters, it says when it leaves, if at all.

Pure and deterministic: no clock, no socket; the same seed and the same packets have the same fate, and a
feature draws from a generator of its own, so that switching one on leaves the fate by the others as it was.
Order of things: cut, loss, bottleneck with its queue, delay and jitter, reordering, duplication.
Times are seconds since the link began. Loss in bursts: Gilbert (1960) and Elliott (1963), as in RFC 6534.
"""

from __future__ import annotations

import math
import random

import msgspec
from msgspec import Struct

DUPLICATE_AFTER_S = 0.001


class Bursts(Struct, frozen=True):
    """Gilbert-Elliott: chances per packet to enter and leave the bad state, and to be lost in each."""

    enter: float
    leave: float
    loss_bad: float = 1.0
    loss_good: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _share(name, getattr(self, name))

    @classmethod
    def of(cls, loss: float, mean_packets: float) -> Bursts:
        """Bursts that lose the share `loss` in the long run, `mean_packets` in a row on average."""
        if not 0 < loss < 1 or mean_packets < 1:
            raise ValueError("bursts need a loss between 0 and 1 and a mean of at least one packet")
        leave = 1 / mean_packets
        enter = leave * loss / (1 - loss)
        if enter > 1:
            raise ValueError(f"a loss of {loss:.0%} needs longer bursts than {mean_packets:g} packets")
        return cls(enter, leave)


class Profile(Struct, frozen=True):
    """What is wrong with one direction of a link; nothing by default. Raises: ValueError.

    loss, reorder, duplicate: shares 0..1; bursts: instead of `loss`.
    jitter_s: added to delay_s, uniform from 0; order is kept unless jitter_reorders.
    reorder_s: how long a reordered packet is held while those after it pass.
    bandwidth_bps: 0 for no bottleneck; its queue drops what would wait longer than queue_s, or what
    is more than queue_bytes if that is not 0. cuts: (from, until) in seconds, until may be inf.
    """

    loss: float = 0.0
    bursts: Bursts | None = None
    delay_s: float = 0.0
    jitter_s: float = 0.0
    jitter_reorders: bool = False
    reorder: float = 0.0
    reorder_s: float = 0.05
    duplicate: float = 0.0
    bandwidth_bps: float = 0.0
    queue_s: float = 0.2
    queue_bytes: int = 0
    cuts: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate"):
            _share(name, getattr(self, name))
        for name in ("delay_s", "jitter_s", "reorder_s", "bandwidth_bps", "queue_s", "queue_bytes"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {value}")
        if self.bursts is not None and self.loss:
            raise ValueError("loss is either random or in bursts")
        for begin, end in self.cuts:
            if not 0 <= begin < end:
                raise ValueError(f"a cut ends after it begins, not {begin:g}..{end:g}")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a share from 0 to 1, not {value}")


class Counts(Struct):
    """What became of the packets that entered; delivered + lost + overflowed + cut = packets.

    bytes: of what entered; overflowed: dropped by the full queue; reordered: overtook one before it;
    late: let out later than its time by a machine too slow for the relay (counted there).
    """

    packets: int = 0
    bytes: int = 0
    delivered: int = 0
    lost: int = 0
    overflowed: int = 0
    cut: int = 0
    duplicated: int = 0
    reordered: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(a - b for a, b in zip(_values(self), _values(other), strict=True)))

    @property
    def dropped(self) -> int:
        return self.lost + self.overflowed + self.cut


def _values(counts: Counts) -> tuple[int, ...]:
    return tuple(msgspec.structs.astuple(counts))


class Setting(Struct):
    """What is wrong just now; may be changed at any time. cut: by hand, until it is mended."""

    profile: Profile = Profile()
    cut: bool = False


class Link:
    """One direction of one line; several may share a setting."""

    def __init__(self, setting: Setting, seed: int | str = 0) -> None:
        self.setting = setting
        self.counts = Counts()
        self._loss, self._jitter, self._reorder, self._duplicate = (
            random.Random(f"{seed}/{name}") for name in ("loss", "jitter", "reorder", "duplicate")
        )
        self._bad = False
        self._backlog_bytes = 0.0
        self._backlog_at_s = 0.0
        self._last_s = 0.0
        self._latest_s = 0.0

    def send(self, now_s: float, size: int) -> list[float]:
        """When a packet of `size` bytes that enters now leaves: [] if lost, two times if duplicated.

        now_s: never less than at the call before.
        """
        counts, profile = self.counts, self.setting.profile
        counts.packets += 1
        counts.bytes += size
        lost, jitter = self._draw_loss(), self._jitter.random()
        held, twice = (
            self._reorder.random() < profile.reorder,
            self._duplicate.random() < profile.duplicate,
        )
        if self.cut_until(now_s) is not None:
            counts.cut += 1
            return []
        if lost:
            counts.lost += 1
            return []
        through_s = self._bottleneck(now_s, size)
        if through_s is None:
            counts.overflowed += 1
            return []
        counts.delivered += 1
        out_s = self._in_order(through_s + profile.delay_s + jitter * profile.jitter_s, held=held)
        if twice:
            counts.duplicated += 1
            return [out_s, out_s + DUPLICATE_AFTER_S]
        return [out_s]

    def carry(self, now_s: float, size: int) -> float:
        """As `send`, for a byte stream: nothing is lost, order is kept, the queue is the sender's."""
        self.counts.packets += 1
        self.counts.bytes += size
        self.counts.delivered += 1
        through_s = self._transmit(now_s, size) if self.setting.profile.bandwidth_bps else now_s
        late_s = self.setting.profile.delay_s + self._jitter.random() * self.setting.profile.jitter_s
        self._last_s = max(self._last_s, through_s + late_s)
        return self._last_s

    def cut_until(self, now_s: float) -> float | None:
        """When the cut of this moment ends (inf: when somebody says so); None while the link is whole."""
        if self.setting.cut:
            return math.inf
        return max((end for begin, end in self.setting.profile.cuts if begin <= now_s < end), default=None)

    def _draw_loss(self) -> bool:
        chance, turn = self._loss.random(), self._loss.random()
        bursts = self.setting.profile.bursts
        if bursts is None:
            return chance < self.setting.profile.loss
        if turn < (bursts.leave if self._bad else bursts.enter):
            self._bad = not self._bad
        return chance < (bursts.loss_bad if self._bad else bursts.loss_good)

    def _bottleneck(self, now_s: float, size: int) -> float | None:
        """When the packet has left the bottleneck; None when its queue is full (drop-tail)."""
        profile = self.setting.profile
        if not profile.bandwidth_bps:
            self._backlog_bytes = 0.0
            return now_s
        limit = profile.queue_bytes or profile.queue_s * profile.bandwidth_bps / 8
        waiting = self._drain(now_s)
        if waiting > 0 and waiting + size > limit:
            return None
        return self._transmit(now_s, size)

    def _transmit(self, now_s: float, size: int) -> float:
        self._backlog_bytes = self._drain(now_s) + size
        return now_s + self._backlog_bytes * 8 / self.setting.profile.bandwidth_bps

    def _drain(self, now_s: float) -> float:
        gone = (now_s - self._backlog_at_s) * self.setting.profile.bandwidth_bps / 8
        self._backlog_bytes = max(0.0, self._backlog_bytes - gone)
        self._backlog_at_s = now_s
        return self._backlog_bytes

    def _in_order(self, out_s: float, *, held: bool) -> float:
        if held:
            out_s += self.setting.profile.reorder_s
        elif not self.setting.profile.jitter_reorders:
            out_s = self._last_s = max(out_s, self._last_s)
        if out_s < self._latest_s:
            self.counts.reordered += 1
        self._latest_s = max(self._latest_s, out_s)
        return out_s
