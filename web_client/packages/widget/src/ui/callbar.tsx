/** The call while it lasts: how it stands, loudness, mute, camera, hang up, pictures. */
import { type CallLeg, picturesOf } from "@talknow/client";
import type { CallView } from "@talknow/protocol";
import { useEffect, useRef } from "preact/hooks";
import type { Talk } from "../talk.ts";
import { TEXT } from "../text.ts";
import { duration, useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";

const BARS = 5;

/** What the person reads about the call. The server's view decides; the leg adds what happens here. */
export function callText(
  call: CallView | undefined,
  phase: string | undefined,
  nowMs: number,
  me?: string,
): string {
  if (call === undefined || call.state === "none") return "";
  if (phase === "elsewhere") return TEXT.elsewhere;
  if (call.state === "requested") return TEXT.requested;
  if (phase === "reconnecting") return TEXT.callBack;
  if (call.state === "negotiating") return TEXT.negotiating;
  if (call.state === "on_hold") return TEXT.onHold;
  const others = call.legs.filter((leg) => leg.participant !== me);
  if (me && others.length > 0 && others.every((leg) => leg.state === "awaiting_path")) return TEXT.agentMoves;
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
      {active && !elsewhere && leg && <Pictures talk={talk} leg={leg} />}
      <div class="call-row">
        <div class="call-state" role="status" data-call-state={state} data-leg={phase ?? "none"}>
          {callText(call, phase, now, talk.engagements?.me)}
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
      {leg && talk.config?.video !== false && canShare() && (
        <button
          type="button"
          class={leg.state.screen === "on" ? "round on" : "round"}
          aria-label={leg.state.screen === "on" ? "Stop sharing the screen" : "Share the screen"}
          title={leg.state.screen === "on" ? "Stop sharing the screen" : TEXT.screenWording}
          disabled={leg.state.screen === "asking"}
          onClick={() => void talk.setScreen(leg.state.screen !== "on")}
        >
          <Icon name="screen" />
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

/** Phones have no screen sharing. */
function canShare(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

function Pictures({ talk, leg }: { talk: Talk; leg: CallLeg }) {
  const view = talk.current()?.view;
  const shown = view ? picturesOf(view, talk.engagements?.me ?? "") : [];
  const { pictures, preview } = leg.state;
  if (shown.length === 0 && preview === null) return null;
  return (
    <div class={shown.length > 0 ? "pictures" : "pictures only-me"} data-count={shown.length}>
      {shown.map(({ kind, name, place }) => {
        const stream = pictures[place];
        const label = kind === "screen" ? `Screen of ${name}` : `Video of ${name}`;
        return (
          stream && (
            <figure key={place} class={kind}>
              <Picture stream={stream} label={label} name="remote" kind={kind} />
              {shown.length > 1 && <figcaption>{name}</figcaption>}
            </figure>
          )
        );
      })}
      {preview !== null && <Picture stream={preview} label="My camera" name="preview" />}
    </div>
  );
}

interface PictureProps {
  stream: MediaStream;
  label: string;
  name: string;
  kind?: string;
}

function Picture({ stream, label, name, kind }: PictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const node = video.current;
    if (!node) return;
    if (node.srcObject !== stream) node.srcObject = stream;
    node.play().catch(() => undefined);
  }, [stream]);
  // Sound is played by the leg; a muted picture may always play.
  return (
    <video
      ref={video}
      class={kind === "screen" ? `${name} screen` : name}
      data-video={name}
      data-kind={kind}
      aria-label={label}
      autoPlay
      playsInline
      muted
    />
  );
}
