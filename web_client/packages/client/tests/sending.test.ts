import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { carry, FLOWS_AFTER_MS, LIMIT_BPS } from "../src/sending.ts";
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
const flow = () => vi.advanceTimersByTimeAsync(FLOWS_AFTER_MS);

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeSender();
});
afterEach(() => vi.useRealTimers());

it("changes the limit each time a picture flows, so that the browser measures again", async () => {
  const camera = new FakeTrack("video");
  await send("video", camera);
  expect(fake.limits).toEqual([]);
  await flow();
  await send("video", camera);
  await flow();
  expect(fake.limits).toEqual([LIMIT_BPS.video]);
  await send("video", null);
  await send("video", camera);
  await flow();
  expect(fake.limits).toHaveLength(2);
  expect(fake.limits[1]).not.toBe(fake.limits[0]);
});

it("limits neither a voice nor what is no longer sent, and forgives a closed sender", async () => {
  await send("audio", new FakeTrack("audio"));
  await flow();
  await send("screen", new FakeTrack("video"));
  await send("screen", null);
  await flow();
  expect(fake.limits).toEqual([]);
  await send("video", new FakeTrack("video"));
  fake.closed = true;
  await flow();
  await send("video", new FakeTrack("video"));
  expect(fake.limits).toEqual([]);
});
