/** The call while it lasts: how it stands, loudness, mute, camera, hold, hang up, devices, pictures. */
import { type CallLeg, type LegMode, picturesOf } from "@talknow/client";
import { useEffect, useRef } from "preact/hooks";
import { isElsewhere } from "../callstate.ts";
import { duration } from "../words.ts";
import { DeviceChoice } from "./devices.tsx";
import type { Shown } from "./engagement.tsx";
import { useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";

export function CallBar({ desk, state }: Shown) {
  const { view } = state;
  const { call } = view;
  const leg = desk.leg(view.id);
  const elsewhere = isElsewhere(view, desk.me, desk.connection?.device ?? "");
  const here = elsewhere ? undefined : leg;
  const { text, tone } = desk.callText(state);
  const idle = call.state === "none" && call.suggestion === "";
  return (
    <section class={idle ? "call-bar is-idle" : `call-bar is-${tone}`} aria-label="Call">
      <div class="call-row">
        <p
          class="call-state"
          role="status"
          data-call-state={call.state}
          data-leg={elsewhere ? "elsewhere" : (leg?.state.phase ?? "none")}
        >
          {text}
        </p>
        <CallTime since={call.connected_ms} running={call.connected_ms > 0} skewMs={desk.skewMs} />
        {here && call.state !== "none" && <Levels leg={here} />}
        <Buttons desk={desk} state={state} leg={here} elsewhere={elsewhere} />
      </div>
      {here && call.state !== "none" && <Trouble leg={here} />}
      {here && call.state !== "none" && <Pictures desk={desk} state={state} leg={here} />}
    </section>
  );
}

function CallTime({ since, running, skewMs }: { since: number; running: boolean; skewMs: number }) {
  const now = useNow(running) + skewMs;
  return running ? (
    <span class="call-time" role="timer" aria-label="Call time">
      {duration(now - since)}
    </span>
  ) : null;
}

interface ButtonsProps extends Shown {
  leg: CallLeg | undefined;
  elsewhere: boolean;
}

function Buttons({ desk, state, leg, elsewhere }: ButtonsProps) {
  const { call, id } = state.view;
  const { keeper } = desk;
  if (call.state === "none") return <Answer desk={desk} state={state} />;
  return (
    <div class="call-buttons">
      {call.state === "requested" && (
        <>
          <button type="button" class="button small go" onClick={() => desk.attempt(keeper?.join(id))}>
            <Icon name="phone" /> Join call
          </button>
          <NotNow desk={desk} state={state} />
        </>
      )}
      {elsewhere && (
        <button type="button" class="button small go" onClick={() => desk.attempt(keeper?.bringHere(id))}>
          Bring the call here
        </button>
      )}
      {leg && <Controls desk={desk} state={state} leg={leg} />}
      {call.state !== "requested" && (
        <button
          type="button"
          class="round stop"
          aria-label="Hang up"
          onClick={() => desk.attempt(keeper?.hangUp(id))}
        >
          <Icon name="hangup" />
        </button>
      )}
    </div>
  );
}

/** The customer proposed something; saying no is the only answer an agent gives by a button of its own. */
function Answer({ desk, state }: Shown) {
  const { suggestion, suggested_by } = state.view.call;
  if (suggestion === "") return null;
  if (suggested_by !== desk.me) return <NotNow desk={desk} state={state} />;
  return null;
}

function NotNow({ desk, state }: Shown) {
  const engagement = state.view.id;
  return (
    <button
      type="button"
      class="button small quiet"
      onClick={() => desk.attempt(desk.connection?.send("call.decline", { engagement }))}
    >
      Not now
    </button>
  );
}

function Controls({ desk, state, leg }: Shown & { leg: CallLeg }) {
  const { call, id } = state.view;
  const camera = leg.state.camera === "on";
  const held = call.state === "on_hold";
  const up = call.state === "connected" || held;
  const setHold = () => desk.connection?.send(held ? "call.unhold" : "call.hold", { engagement: id });
  return (
    <>
      <Toggle
        on={leg.state.muted}
        label={leg.state.muted ? "Unmute" : "Mute"}
        icon={leg.state.muted ? "micOff" : "mic"}
        onClick={() => desk.toggleMute(id)}
      />
      <Toggle
        on={camera}
        label={camera ? "Turn camera off" : "Turn camera on"}
        icon="camera"
        onClick={() => desk.attempt(desk.keeper?.setCamera(id, !camera))}
      />
      <Toggle
        on={leg.state.screen === "on"}
        label={leg.state.screen === "on" ? "Stop sharing the screen" : "Share the screen"}
        icon="screen"
        onClick={() => desk.attempt(desk.keeper?.setScreen(id, leg.state.screen !== "on"))}
      />
      <ModeChoice desk={desk} state={state} />
      {up && (
        <Toggle
          on={held}
          label={held ? "Resume" : "Hold"}
          icon={held ? "play" : "pause"}
          onClick={() => desk.attempt(setHold())}
        />
      )}
      <DeviceChoice leg={leg} />
    </>
  );
}

const OWN_MODES: readonly [LegMode, string][] = [
  ["monitor", "Listen only"],
  ["whisper", "Only agents hear me"],
  ["barge", "Everybody hears me"],
];

/** Whom I talk to: a supervisor's three ways in, and a consulted colleague's way to everybody. */
function ModeChoice({ desk, state }: Shown) {
  const { view } = state;
  const mine = view.call.legs.find((leg) => leg.participant === desk.me);
  if (mine === undefined) return null;
  const supervises = OWN_MODES.some(([mode]) => mode === mine.mode);
  if (!supervises && mine.mode !== "consult") return null;
  const modes: readonly [LegMode, string][] = supervises
    ? OWN_MODES
    : [
        ["consult", "Only my colleague hears me"],
        ["talk", "Everybody hears me"],
      ];
  return (
    <label class="mode">
      <span class="visually-hidden">Who hears me</span>
      <select
        value={mine.mode}
        onChange={(event) => desk.setMode(view.id, desk.me, event.currentTarget.value as LegMode)}
      >
        {modes.map(([mode, text]) => (
          <option key={mode} value={mode}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface ToggleProps {
  on: boolean;
  label: string;
  icon: "mic" | "micOff" | "camera" | "screen" | "pause" | "play";
  onClick: () => void;
}

function Toggle({ on, label, icon, onClick }: ToggleProps) {
  return (
    <button
      type="button"
      class={on ? "round on" : "round"}
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

const BARS = 8;

/** How many bars a loudness of 0 to 1 lights: speech is around 0.1, so the scale is the square root. */
export function bars(level: number): number {
  return Math.min(BARS, Math.round(Math.sqrt(Math.max(0, level)) * 1.6 * BARS));
}

function Levels({ leg }: { leg: CallLeg }) {
  const mine = useRef<HTMLSpanElement>(null);
  const theirs = useRef<HTMLSpanElement>(null);
  useEffect(
    () =>
      leg.watchLevels((levels) => {
        light(mine.current, levels.mine);
        light(theirs.current, levels.theirs);
      }),
    [leg],
  );
  return (
    <div class="levels" aria-hidden="true">
      <span class="level-name">You</span>
      <Bars of={mine} />
      <span class="level-name">Customer</span>
      <Bars of={theirs} />
    </div>
  );
}

/** Five times a second: the bars are lit directly, nothing else is drawn again. */
function light(node: HTMLSpanElement | null, level: number): void {
  const lit = bars(level);
  node?.setAttribute("data-level", level.toFixed(3));
  for (const [index, bar] of [...(node?.children ?? [])].entries()) bar.classList.toggle("lit", index < lit);
}

function Bars({ of }: { of: { current: HTMLSpanElement | null } }) {
  return (
    <span class="bars" ref={of}>
      {Array.from({ length: BARS }, (_, index) => (
        <i key={index} />
      ))}
    </span>
  );
}

const TROUBLE: Partial<Record<string, string>> = {
  denied: "The browser does not allow the microphone here. Allow it at the left of the address bar.",
  missing: "No microphone was found. Connect one and choose it.",
  busy: "The microphone is used by another program. Close it there, then choose it again.",
};

function Trouble({ leg }: { leg: CallLeg }) {
  const { microphone, camera, silenced } = leg.state;
  const text = TROUBLE[microphone];
  const failed = camera === "denied" || camera === "missing" || camera === "busy";
  return (
    <>
      {text && (
        <p class="call-trouble" role="alert">
          {text}
        </p>
      )}
      {failed && (
        <p class="call-trouble" role="alert">
          The camera could not be turned on. Check that the browser allows it here.
        </p>
      )}
      {silenced && (
        <button type="button" class="button small go" onClick={() => leg.hear()}>
          Click to hear the customer
        </button>
      )}
    </>
  );
}

function Pictures({ desk, state, leg }: Shown & { leg: CallLeg }) {
  const shown = picturesOf(state.view, desk.me);
  if (shown.length === 0 && leg.state.preview === null) return null;
  const speaker = desk.keeper?.speakers.get(state.view.id);
  return (
    <div class="pictures" data-count={shown.length}>
      {shown.map(({ leg: theirs, kind, name, place }) => {
        const stream = leg.state.pictures[place];
        const label = kind === "screen" ? `Screen of ${name}` : `Video of ${name}`;
        const className = `remote${kind === "screen" ? " screen" : ""}${theirs.id === speaker ? " speaks" : ""}`;
        return (
          stream && (
            <figure key={place} class={className}>
              <Video stream={stream} label={label} />
              {shown.length > 1 && <figcaption>{name}</figcaption>}
            </figure>
          )
        );
      })}
      {leg.state.preview && <Video stream={leg.state.preview} label="Your video" className="preview" />}
    </div>
  );
}

function Video({ stream, label, className }: { stream: MediaStream; label: string; className?: string }) {
  const node = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    // Muted before it plays: the sound comes from the leg's own speakers, never twice.
    if (node.current === null) return;
    node.current.muted = true;
    node.current.srcObject = stream;
    node.current.play().catch(() => undefined);
  }, [stream]);
  return <video ref={node} class={className} aria-label={label} autoplay playsInline muted />;
}
