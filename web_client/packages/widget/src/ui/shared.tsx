/** The shared page as the visitor sees it: the question, and while it is shared who looks, what is hidden, how to end it. */
import type { AskView, CobrowseView, GrantView } from "@talknow/protocol";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Asked } from "../decisions.ts";
import type { ControlKind } from "../sharing.ts";
import { isLive, type Talk } from "../talk.ts";
import { TEXT } from "../text.ts";
import { useNow } from "./hooks.ts";

/** An agent asks to see the page, or for more than that. */
export function ShareQuestion({ talk }: { talk: Talk }) {
  const state = talk.current();
  const view = state?.view.cobrowse;
  if (!isLive(state) || view === undefined) return null;
  const name = (id: string | null) =>
    state.view.participants.find((one) => one.id === id)?.name ?? "The agent";
  if (view.state === "requested") {
    return (
      <Question
        text={`${name(view.requested_by)} ${TEXT.asksToSee}`}
        wording={talk.decisions.viewWording}
        yes={TEXT.showPage}
        onYes={() => void talk.decisions.share()}
        onNo={() => void talk.decisions.decline("view")}
      />
    );
  }
  const ask = view.asks.find(({ capability }) => capability in ASKED);
  if (ask === undefined) return null;
  return <Ask key={ask.capability} talk={talk} ask={ask} name={name(ask.by)} />;
}

const ASKED: Readonly<Record<Asked, readonly [text: string, wording: string, end: string]>> = {
  point: [TEXT.asksToPoint, TEXT.pointWording, TEXT.endPointing],
  control: [TEXT.asksToControl, TEXT.controlWording, TEXT.endControl],
  record: [TEXT.asksToRecord, TEXT.recordWording, TEXT.endRecording],
};

function Ask({ talk, ask, name }: { talk: Talk; ask: AskView; name: string }) {
  const capability = ask.capability as Asked;
  const [kinds, setKinds] = useState<readonly ControlKind[]>(ask.kinds);
  const [text, wording] = ASKED[capability];
  const turn = (kind: ControlKind, on: boolean) =>
    setKinds(ask.kinds.filter((one) => (one === kind ? on : kinds.includes(one))));
  return (
    <Question
      text={`${name} ${text}`}
      wording={wording}
      yes={TEXT.allow}
      disabled={capability === "control" && kinds.length === 0}
      onYes={() => void talk.decisions.grant(capability, [...kinds])}
      onNo={() => void talk.decisions.decline(capability)}
    >
      {ask.kinds.map((kind) => (
        <label key={kind} class="tick">
          <input
            type="checkbox"
            checked={kinds.includes(kind)}
            onChange={(event) => turn(kind, event.currentTarget.checked)}
          />
          {TEXT.kinds[kind]}
        </label>
      ))}
    </Question>
  );
}

interface QuestionProps {
  text: string;
  wording: string;
  yes: string;
  disabled?: boolean;
  children?: ComponentChildren;
  onYes: () => void;
  onNo: () => void;
}

function Question({ text, wording, yes, disabled = false, children, onYes, onNo }: QuestionProps) {
  return (
    <section class="card suggestion" role="alertdialog" aria-label={text} aria-describedby="share-wording">
      <p>
        <strong>{text}</strong>
      </p>
      {children}
      <p id="share-wording" class="small">
        {wording}
      </p>
      <div class="row">
        <button type="button" class="primary" disabled={disabled} onClick={onYes}>
          {yes}
        </button>
        <button type="button" class="secondary" onClick={onNo}>
          {TEXT.notNow}
        </button>
      </div>
    </section>
  );
}

/** For who talks to the company elsewhere: no chat, no call, a number to tell. */
export function ShareByCode({ talk }: { talk: Talk }) {
  const engagement = talk.current()?.view;
  if (talk.config?.cobrowse !== true || (engagement?.cobrowse.state ?? "off") !== "off") return null;
  // An agent who is here asks to see it.
  if (engagement?.phase === "active") return null;
  return (
    <p class="wording" id="view-wording">
      <button
        type="button"
        class="plain"
        aria-describedby="view-wording"
        onClick={() => {
          if (talk.current() !== undefined && !isLive(talk.current())) talk.startAgain();
          void talk.decisions.shareByCode();
        }}
      >
        {TEXT.shareByCode}
      </button>
      <span>{` ${talk.decisions.viewWording}`}</span>
    </p>
  );
}

/** What the ledger says in one line. */
export function ledgerText(view: CobrowseView, nowMs: number): string {
  if (view.state === "paused") return TEXT.sharePaused;
  const [first] = view.viewers;
  if (first === undefined) return TEXT.nobodyLooks;
  const minutes = Math.max(0, Math.floor((nowMs - first.since_ms) / 60_000));
  const who = view.viewers.map(({ name }) => name).join(", ");
  return `${who} ${view.viewers.length === 1 ? "sees" : "see"} this page, ${minutes === 0 ? "since just now" : `for ${minutes} min`}`;
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * The privacy ledger: above everything on the page while it is shared. Who looks and what ends it is
 * always in sight; the rest unfolds, so that little of the page lies under it.
 */
export function Ledger({ talk }: { talk: Talk }) {
  const view = talk.current()?.view.cobrowse;
  const shared = view?.state === "live" || view?.state === "paused";
  const now = useNow(shared) + (talk.engagements?.skewMs ?? 0);
  const [unfolded, unfold] = useState(false);
  if (view === undefined || !shared || talk.sharing.isOver) return null;
  const { recorder } = talk.sharing;
  const shut = recorder?.state === "private";
  const shown = view.state === "live" && !shut;
  const control = view.grants.find(({ capability }) => capability === "control");
  return (
    <section class="ledger" aria-label={TEXT.shared} data-sharing={recorder?.state ?? "connecting"}>
      {shown && unfolded && <Details talk={talk} view={view} />}
      <div class="looks">
        <p role="status">{shut ? TEXT.sharePrivate : ledgerText(view, now)}</p>
        {shown && (
          <button
            type="button"
            class="plain"
            aria-expanded={unfolded}
            aria-controls="ledger-details"
            onClick={() => unfold(!unfolded)}
          >
            {unfolded ? TEXT.fold : TEXT.unfold}
          </button>
        )}
      </div>
      {view.code !== "" && (
        <p class="code" role="status">
          {TEXT.codeFor} <strong data-code>{`${view.code.slice(0, 3)} ${view.code.slice(3)}`}</strong>
        </p>
      )}
      {shown && control && <InControl grant={control} />}
      <div class="row">
        {control && <EndGrant talk={talk} capability="control" />}
        <button type="button" class="primary stop" onClick={() => void talk.decisions.stop()}>
          {TEXT.stopShare}
        </button>
        <button
          type="button"
          class="secondary"
          onClick={() => void talk.decisions.pause(view.state === "live")}
        >
          {view.state === "live" ? TEXT.pauseShare : TEXT.resumeShare}
        </button>
      </div>
    </section>
  );
}

/** What is hidden, and what else was allowed: nothing is, while nothing is shown. */
function Details({ talk, view }: { talk: Talk; view: CobrowseView }) {
  const { fields, texts, blocked } = talk.sharing.recorder?.hidden() ?? { fields: 0, texts: 0, blocked: 0 };
  const quieter = view.grants.filter(({ capability }) => capability === "point" || capability === "record");
  return (
    <div class="details" id="ledger-details">
      <p data-hidden>
        {`Hidden from them: ${many(fields, "form field")}, ${many(texts, "text")}, ${many(blocked, "area")}.`}
      </p>
      {quieter.map(({ capability }) => (
        <p key={capability} class="allowed">
          <span>{capability === "point" ? TEXT.points : TEXT.recorded}</span>
          <EndGrant talk={talk} capability={capability as Asked} />
        </p>
      ))}
    </div>
  );
}

function EndGrant({ talk, capability }: { talk: Talk; capability: Asked }) {
  const [, , end] = ASKED[capability];
  const weight = capability === "control" ? "primary stop" : "secondary";
  return (
    <button type="button" class={weight} onClick={() => void talk.decisions.revoke(capability)}>
      {end}
    </button>
  );
}

function InControl({ grant: { kinds, holder_name: who } }: { grant: GrantView }) {
  const what = kinds.map((kind) => TEXT.kinds[kind]).join(", ");
  return (
    <p class="small" role="status" data-granted="control">
      {`${who || TEXT.somebody} ${TEXT.controls} ${what}. `}
      <span class="keys">{TEXT.escEnds}</span>
    </p>
  );
}
