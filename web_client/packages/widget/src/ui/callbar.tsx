/** The call while it lasts: how it stands, loudness, mute, camera, hang up, pictures. */
import type { CallLeg } from "@talknow/client";
import type { CallView } from "@talknow/protocol";
import { useEffect, useRef } from "preact/hooks";
import type { Talk } from "../talk.ts";
import { TEXT } from "../text.ts";
import { duration, useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";

const BARS = 5;

/** What the person reads about the call. The server's view decides; the leg adds what happens here. */
export function callText(call: CallView | undefined, phase: string | undefined, nowMs: number): string {
  if (call === undefined || call.state === "none") return "";
  if (phase === "elsewhere") return TEXT.elsewhere;
  if (call.state === "requested") return TEXT.requested;
  if (phase === "reconnecting") return TEXT.callBack;
  if (call.state === "negotiating") return TEXT.negotiating;
  if (call.state === "on_hold") return TEXT.onHold;
  return duration(nowMs - call.connected_ms);
}

/** My leg is held by another tab. */
function isElsewhere(talk: Talk, call: CallView | undefined): boolean {
  const mine = call?.legs.find((leg) => leg.participant === talk.engagements?.me);
  return mine !== undefined && mine.device !== talk.connection?.device;
}

export function CallBar({ talk }: { talk: Talk }) {
  const call = talk.current()?.view.call;
  const state = call?.state ?? "none";
  const leg = talk.leg();
  const elsewhere = isElsewhere(talk, call);
  const phase = elsewhere ? "elsewhere" : leg?.state.phase;
  const now = useNow(state === "connected") + (talk.engagements?.skewMs ?? 0);
  const active = state !== "none";
  return (
    <section class={active ? "call" : "hidden"} aria-label="Call" hidden={!active}>
      {active && !elsewhere && leg && call && <Pictures talk={talk} leg={leg} call={call} />}
      <div class="call-row">
        <div class="call-state" role="status" data-call-state={state} data-leg={phase ?? "none"}>
          {callText(call, phase, now)}
        </div>
        {active && !elsewhere && leg && <Level leg={leg} muted={leg.state.muted} />}
        {active && <Buttons talk={talk} leg={elsewhere ? undefined : leg} elsewhere={elsewhere} />}
      </div>
      {leg?.state.silenced && (
        <button type="button" class="primary wide" onClick={() => leg.hear()}>
          {TEXT.tapToHear}
        </button>
      )}
      {active && leg && (leg.state.microphone === "denied" || leg.state.microphone === "missing") && (
        <p class="small" role="alert">
          {leg.state.microphone === "denied" ? TEXT.denied : TEXT.missing}
        </p>
      )}
      {active && !elsewhere && leg && leg.state.camera !== "on" && talk.config?.video !== false && (
        <p id="video-wording" class="small">
          {TEXT.videoWording}
        </p>
      )}
    </section>
  );
}

function Buttons({ talk, leg, elsewhere }: { talk: Talk; leg: CallLeg | undefined; elsewhere: boolean }) {
  const muted = leg?.state.muted ?? false;
  const camera = leg?.state.camera === "on";
  return (
    <div class="call-buttons">
      {elsewhere && (
        <button type="button" class="secondary" onClick={() => void talk.bringHere()}>
          Bring the call here
        </button>
      )}
      {leg && (
        <button
          type="button"
          class={muted ? "round on" : "round"}
          aria-label={muted ? "Unmute" : "Mute"}
          onClick={() => void talk.setMuted(!muted)}
        >
          <Icon name={muted ? "micOff" : "mic"} />
        </button>
      )}
      {leg && talk.config?.video !== false && (
        <button
          type="button"
          class={camera ? "round on" : "round"}
          aria-label={camera ? "Turn camera off" : "Turn camera on"}
          aria-describedby={camera ? undefined : "video-wording"}
          disabled={leg.state.camera === "asking"}
          onClick={() => void talk.setCamera(!camera)}
        >
          <Icon name={camera ? "camera" : "cameraOff"} />
        </button>
      )}
      <button type="button" class="round hang-up" aria-label="Hang up" onClick={() => void talk.hangUp()}>
        <Icon name="hangUp" />
      </button>
    </div>
  );
}

/** How loud I am: that the microphone works is seen before anybody asks "can you hear me?". */
function Level({ leg, muted }: { leg: CallLeg; muted: boolean }) {
  const bars = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      leg.watchLevels(({ mine }) => {
        const lit = muted ? 0 : Math.min(BARS, Math.round(Math.sqrt(mine) * BARS * 1.6));
        bars.current?.setAttribute("data-lit", String(lit));
      }),
    [leg, muted],
  );
  return (
    <div class="level" ref={bars} data-lit="0" aria-hidden="true">
      {Array.from({ length: BARS }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  );
}

function Pictures({ talk, leg, call }: { talk: Talk; leg: CallLeg; call: CallView }) {
  const theirs = call.legs.some((one) => one.participant !== talk.engagements?.me && one.video);
  const { video, preview } = leg.state;
  if (!theirs && preview === null) return null;
  return (
    <div class={theirs ? "pictures" : "pictures only-me"}>
      {theirs && video !== null && <Picture stream={video} label="Video of the agent" name="remote" />}
      {preview !== null && <Picture stream={preview} label="My camera" name="preview" />}
    </div>
  );
}

function Picture({ stream, label, name }: { stream: MediaStream; label: string; name: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const node = video.current;
    if (!node) return;
    if (node.srcObject !== stream) node.srcObject = stream;
    node.play().catch(() => undefined);
  }, [stream]);
  // Sound is played by the leg; a muted picture may always play.
  return <video ref={video} class={name} data-video={name} aria-label={label} autoPlay playsInline muted />;
}
