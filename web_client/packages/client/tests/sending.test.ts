import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { carry, LIMIT_BPS, LOOK_EVERY_MS, LOOKS } from "../src/sending.ts";
import { FakeTrack } from "./fakes.ts";

class FakeSender {
  track: FakeTrack | null = null;
  limits: (number | undefined)[] = [];
  closed = false;
  async replaceTrack(track: FakeTrack | null): Promise<void> {
    if (this.closed) throw new DOMException("closed", "InvalidStateError");
    this.track = track;
  }
  getParameters() {
    return { encodings: [{ maxBitrate: this.limits.at(-1) }] };
  }
  async setParameters(parameters: { encodings: { maxBitrate?: number }[] }): Promise<void> {
    if (this.closed) throw new DOMException("closed", "InvalidStateError");
    this.limits.push(parameters.encodings[0]?.maxBitrate);
  }
}

let fake: FakeSender;
const send = (kind: "audio" | "video" | "screen", track: FakeTrack | null): Promise<void> =>
  carry(fake as unknown as RTCRtpSender, kind, track as unknown as MediaStreamTrack);
const flow = () => vi.advanceTimersByTimeAsync(LOOK_EVERY_MS * (LOOKS + 1));

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeSender();
});
afterEach(() => vi.useRealTimers());

it("changes the limit each time a picture flows, so that the browser measures again", async () => {
  const camera = new FakeTrack("video");
  void send("video", camera);
  await vi.advanceTimersByTimeAsync(LOOK_EVERY_MS - 1);
  expect(fake.limits).toEqual([]);
  await flow();
  void send("video", camera);
  await flow();
  expect(fake.limits).toHaveLength(LOOKS);
  expect(fake.limits[0]).toBe(LIMIT_BPS.video);
  void send("video", null);
  void send("video", camera);
  await flow();
  expect(fake.limits).toHaveLength(2 * LOOKS);
  for (const [place, bps] of fake.limits.entries()) expect(bps).not.toBe(fake.limits[place - 1]);
});

it("limits neither a voice nor what is no longer sent, and forgives a closed sender", async () => {
  void send("audio", new FakeTrack("audio"));
  await flow();
  void send("screen", new FakeTrack("video"));
  void send("screen", null);
  await flow();
  expect(fake.limits).toEqual([]);
  void send("video", new FakeTrack("video"));
  fake.closed = true;
  await flow();
  void send("video", new FakeTrack("video"));
  expect(fake.limits).toEqual([]);
});
