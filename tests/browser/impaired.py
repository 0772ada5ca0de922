"""A call of two real browsers whose media goes through the impairment relay, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from playwright.sync_api import Page

from benchmarks.background_relay import BackgroundRelay
from tests.browser.conftest import Agent, Customer, both_hear, connected, eventually

# Every 50 ms what the page's connected path has received so far, until `__watch.stop` is called.
WATCH = """
() => {
  const samples = [];
  let running = true;
  const look = async () => {
    const now = { at: performance.now(), frames: 0, freezes: 0, frozen: 0, audio: 0, concealed: 0, heard: 0,
                  lost: 0, nacks: 0, video: 0, jitterBuffer: 0, emitted: 0, sendBps: 0, sent: 0 };
    for (const pc of window.__seen.pcs.filter((p) => p.connectionState !== 'closed'))
      (await pc.getStats()).forEach((s) => {
        if (s.type === 'inbound-rtp' && s.kind === 'video') {
          now.frames += s.framesDecoded || 0;
          now.freezes += s.freezeCount || 0;
          now.frozen += s.totalFreezesDuration || 0;
          now.nacks += s.nackCount || 0;
          now.video += s.packetsReceived || 0;
        } else if (s.type === 'inbound-rtp' && s.kind === 'audio') {
          now.audio += s.packetsReceived || 0;
          now.concealed += s.concealedSamples || 0;
          now.heard += s.totalSamplesReceived || 0;
          now.lost += s.packetsLost || 0;
          now.jitterBuffer += s.jitterBufferDelay || 0;
          now.emitted += s.jitterBufferEmittedCount || 0;
        } else if (s.type === 'candidate-pair' && s.nominated) {
          now.sendBps = Math.max(now.sendBps, s.availableOutgoingBitrate || 0);
        } else if (s.type === 'outbound-rtp' && s.kind === 'video') {
          now.sent += s.framesSent || 0;
        }
      });
    samples.push(now);
    if (running) setTimeout(look, 50);
  };
  window.__watch = { samples, stop: () => { running = false; return samples; } };
  look();
}
"""


@dataclass(frozen=True)
class Sample:
    """Totals of one page at one moment; at: ms of the page's clock; frozen: seconds."""

    at: float
    frames: int
    freezes: int
    frozen: float
    audio: int
    concealed: int
    heard: int
    lost: int
    nacks: int
    video: int
    jitterBuffer: float
    emitted: int
    sendBps: float
    sent: int


class Watch:
    """`watch = Watch(page)` begins; `watch.stop()` gives the samples."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(WATCH)

    @staticmethod
    def look(page: Page) -> Sample:
        """One sample, now."""
        page.evaluate(WATCH)
        eventually(lambda: page.evaluate("window.__watch.samples.length > 0"), what="a first sample")
        return Sample(**page.evaluate("window.__watch.stop()[0]"))

    def now(self) -> float:
        at: float = self._page.evaluate("performance.now()")
        return at

    def stop(self) -> list[Sample]:
        return [Sample(**sample) for sample in self._page.evaluate("window.__watch.stop()")]


def longest_freeze_s(samples: list[Sample]) -> float:
    """The longest freeze that ended while watched, as the browser counts freezes."""
    return max(
        (
            (after.frozen - before.frozen) / (after.freezes - before.freezes)
            for before, after in pairwise(samples)
            if after.freezes > before.freezes
        ),
        default=0.0,
    )


def longest_audio_gap_ms(samples: list[Sample]) -> float:
    """The longest time in which no audio packet came."""
    gap, since = 0.0, samples[0].at
    for before, after in pairwise(samples):
        if after.audio > before.audio:
            since = after.at
        gap = max(gap, after.at - since)
    return gap


def fps(samples: list[Sample], begin_ms: float, end_ms: float) -> float:
    """Decoded frames per second in a part of the samples."""
    inside = [sample for sample in samples if begin_ms <= sample.at <= end_ms]
    return (inside[-1].frames - inside[0].frames) * 1_000 / (inside[-1].at - inside[0].at)


def told(samples: list[Sample], every: int = 20) -> str:
    """About one line a second, for the message of a failure."""
    start = samples[0].at
    return "\n" + "\n".join(
        f"{(after.at - start) / 1_000:5.1f} s  {after.frames - before.frames:3} frames decoded"
        f"  {after.audio - before.audio:3} audio packets  {after.lost - before.lost:3} lost"
        f"  {after.nacks - before.nacks:3} nacks  {after.video - before.video:4} video packets"
        f"  {after.freezes - before.freezes} freezes {after.frozen - before.frozen:.2f} s"
        f"  may send {after.sendBps / 1_000:.0f} kbit/s"
        for before, after in pairwise(samples[::every])
    )


@dataclass
class Impaired:
    """The two sides of a call and the relay between both of them and the server."""

    customer: Customer
    agent: Agent
    relay: BackgroundRelay

    def call(self) -> None:
        self.agent.button("Suggest voice").click()
        self.customer.talk()
        connected(self.customer, self.agent)

    def heard(self) -> None:
        both_hear(self.customer, self.agent)

    def cameras(self) -> None:
        """Both cameras on, and both pictures flow."""
        self.agent.button("Turn camera on").click()
        self.customer.button("Turn camera on").click()
        for page in (self.customer.page, self.agent.page):
            eventually(partial(_pictures, page), seconds=20, what="pictures flow")


def _pictures(page: Page) -> bool:
    return Watch.look(page).frames > 30
