"""Known tones: a microphone file to play into Chromium, and what a page runs to hear a tone."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

RATE_HZ = 48_000

# Remembers every peer connection and received track of a page, before any script of the page runs.
SPY = """
(() => {
  // A window that a page opened gets this twice.
  if (window.__seen) return;
  const Native = window.RTCPeerConnection;
  const seen = { pcs: [], tracks: [] };
  Object.defineProperty(window, '__seen', { value: seen });
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      seen.pcs.push(this);
      this.addEventListener('track', (event) => seen.tracks.push(event.track));
    }
  };
})();
"""

# Loudness in dBFS of each given frequency in all live received audio together, best of `ms`.
LISTEN = """
async ({ frequencies, ms }) => {
  const tracks = window.__seen.tracks.filter((t) => t.kind === 'audio' && t.readyState === 'live');
  if (tracks.length === 0) return frequencies.map(() => -200);
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  for (const track of tracks) context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const best = frequencies.map(() => -200);
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    analyser.getFloatFrequencyData(bins);
    frequencies.forEach((hz, i) => {
      const bin = Math.round((hz * analyser.fftSize) / 48000);
      best[i] = Math.max(best[i], bins[bin], bins[bin - 1], bins[bin + 1]);
    });
  }
  await context.close();
  return best;
}
"""

# Looks every 10 ms when voice was last played, whichever way it came; `__longestSilence()`: milliseconds.
# A time in which the page itself did not get to look says nothing.
SILENCE = """
() => {
  const silences = [0];
  let last = 0;
  let looked = performance.now();
  let blind = true;
  const timer = setInterval(() => {
    blind ||= performance.now() - looked > 100;
    looked = performance.now();
    const ways = window.__seen.pcs.filter((pc) => pc.connectionState !== 'closed');
    const voices = ways.flatMap((pc) => pc.getReceivers()).filter(({ track }) => track.kind === 'audio');
    const times = voices.flatMap((one) => one.getSynchronizationSources()).map((one) => one.timestamp);
    const latest = Math.max(0, ...times);
    if (latest <= last) return;
    if (!blind) silences.push(latest - last);
    last = latest;
    blind = false;
  }, 10);
  window.__longestSilence = () => {
    clearInterval(timer);
    return Math.max(...silences);
  };
}
"""


def write_tone(path: Path, hz: int, seconds: float = 4.0) -> Path:
    """A mono 16-bit WAV of short beeps at `hz` (steady tones are taken for noise by the browser)."""
    samples = array.array("h")
    for index in range(int(RATE_HZ * seconds)):
        at_s = index / RATE_HZ
        loud = 0.5 * (1 - math.cos(2 * math.pi * 5 * at_s))
        samples.append(int(20_000 * loud * math.sin(2 * math.pi * hz * at_s)))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(samples.tobytes())
    return path
