/**
 * Microphone, camera and shared screen of this tab: asked for when wanted, kept, exchanged and let go.
 *
 * It owns the local tracks; a leg only borrows them, so a new path of a leg needs no new question to the
 * person. Refusal is a state, never an exception. Source: W3C Media Capture, getUserMedia() errors.
 */
import type { Kind } from "./places.ts";
import { VOICE } from "./voice.ts";

export type DeviceState = "off" | "asking" | "on" | "denied" | "missing" | "busy";
export type Devices = Pick<MediaDevices, "getUserMedia"> & Partial<Pick<MediaDevices, "getDisplayMedia">>;

function refusal(error: unknown): DeviceState {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  return name === "NotFoundError" || name === "OverconstrainedError" ? "missing" : "busy";
}

const WANTED: Record<"audio" | "video", MediaTrackConstraints> = {
  audio: VOICE,
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 24, max: 30 } },
};

/** A shared screen is for reading: its full size, and rather few sharp pictures than many blurred ones. */
const SCREEN: DisplayMediaStreamOptions = { video: { frameRate: { ideal: 15, max: 30 } }, audio: false };

export class LocalMedia {
  readonly track: Record<Kind, MediaStreamTrack | null> = { audio: null, video: null, screen: null };
  readonly state: Record<Kind, DeviceState> = { audio: "off", video: "off", screen: "off" };
  muted = false;
  private readonly chosen: Partial<Record<Kind, string>> = {};
  private readonly asked: Record<Kind, number> = { audio: 0, video: 0, screen: 0 };

  /** early: a microphone that was asked for already; used for the first question, whatever its answer is. */
  constructor(
    private readonly devices: Devices | undefined,
    private readonly onChange: (kind: Kind) => void,
    private early?: Promise<MediaStream>,
  ) {}

  /** Ask for microphone or camera; resolves to its state when the person has answered. */
  async open(kind: Kind): Promise<DeviceState> {
    if (this.track[kind]?.readyState === "live" || this.state[kind] === "asking") return this.state[kind];
    this.asked[kind] += 1;
    const turn = this.asked[kind];
    this.become(kind, "asking");
    try {
      const stream = await this.ask(kind);
      const track = stream.getTracks()[0] ?? null;
      if (turn !== this.asked[kind]) track?.stop();
      else this.put(kind, track);
    } catch (error) {
      if (turn === this.asked[kind]) this.become(kind, refusal(error));
    }
    return this.state[kind];
  }

  /** Let the device go; its light goes out. */
  close(kind: Kind): void {
    this.asked[kind] += 1;
    this.track[kind]?.stop();
    this.track[kind] = null;
    this.become(kind, "off");
  }

  async choose(kind: Kind, deviceId: string): Promise<DeviceState> {
    this.chosen[kind] = deviceId;
    if (this.state[kind] !== "on") return this.state[kind];
    const old = this.track[kind];
    this.track[kind] = null;
    const state = await this.open(kind);
    old?.stop();
    return state;
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    if (this.track.audio) this.track.audio.enabled = !muted;
    this.onChange("audio");
  }

  private ask(kind: Kind): Promise<MediaStream> {
    if (this.devices === undefined) throw new DOMException("insecure context", "NotAllowedError");
    if (kind === "screen") {
      if (!this.devices.getDisplayMedia) throw new DOMException("no screen sharing", "NotFoundError");
      return this.devices.getDisplayMedia(SCREEN);
    }
    const early = kind === "audio" ? this.early : undefined;
    if (early !== undefined) {
      this.early = undefined;
      return early;
    }
    const deviceId = this.chosen[kind];
    const wanted = { ...WANTED[kind], ...(deviceId ? { deviceId: { exact: deviceId } } : {}) };
    return this.devices.getUserMedia({ [kind]: wanted });
  }

  private put(kind: Kind, track: MediaStreamTrack | null): void {
    this.track[kind] = track;
    if (track === null) {
      this.become(kind, "missing");
      return;
    }
    if (kind === "audio") track.enabled = !this.muted;
    if (kind === "screen") track.contentHint = "detail";
    track.addEventListener("ended", () => {
      if (this.track[kind] !== track) return;
      this.track[kind] = null;
      // The browser's own "stop sharing" ends the track: that is the person's will, not a fault.
      this.become(kind, kind === "screen" ? "off" : "missing");
    });
    this.become(kind, "on");
  }

  private become(kind: Kind, state: DeviceState): void {
    this.state[kind] = state;
    this.onChange(kind);
  }
}
