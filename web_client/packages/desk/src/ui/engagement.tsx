/** One engagement: head with its actions, call bar, timeline, composer or wrap-up, and the context panel. */
import type { EngagementState } from "@talknow/client";
import { useState } from "preact/hooks";
import { suggestions } from "../callstate.ts";
import type { Desk } from "../desk.ts";
import { presenceText, visitorIn } from "../words.ts";
import { CallBar } from "./callbar.tsx";
import { Composer } from "./composer.tsx";
import { Context } from "./context.tsx";
import { Icon } from "./icons.tsx";
import { Invite } from "./invite.tsx";
import { ShareButton, SharedPage } from "./sharedpage.tsx";
import { Timeline } from "./timeline.tsx";
import { WrapUpForm } from "./wrapup.tsx";

export interface Shown {
  desk: Desk;
  state: EngagementState;
}

export function Engagement({ desk, state }: Shown) {
  const [details, setDetails] = useState(false);
  const active = state.view.phase === "active";
  const name = visitorIn(state.view)?.name ?? "Visitor";
  return (
    <>
      <main class="engagement" aria-label={`Engagement with ${name}`}>
        <Head desk={desk} state={state} details={details} onDetails={() => setDetails(!details)} />
        {active && <CallBar desk={desk} state={state} />}
        {active && <SharedPage key={state.view.id} desk={desk} state={state} />}
        <Timeline desk={desk} state={state} />
        {active ? <Composer desk={desk} state={state} /> : <WrapUpForm desk={desk} state={state} />}
      </main>
      <Context desk={desk} state={state} shown={details} onClose={() => setDetails(false)} />
    </>
  );
}

function Head(props: Shown & { details: boolean; onDetails: () => void }) {
  const { desk, state, details, onDetails } = props;
  const { view } = state;
  const visitor = visitorIn(view);
  return (
    <header class="head">
      <button
        type="button"
        class="icon-button back"
        aria-label="Back to the list"
        onClick={() => desk.select(null)}
      >
        <Icon name="back" />
      </button>
      <div class="head-who">
        <h1>{visitor?.name ?? "Visitor"}</h1>
        <p>
          <span class={`presence ${visitor?.presence ?? "gone"} ${visitor?.away_reason ?? ""}`} />
          {presenceText(visitor)}
        </p>
      </div>
      <div class="head-actions">
        <Suggest desk={desk} state={state} />
        <ShareButton desk={desk} state={state} />
        <button
          type="button"
          class="icon-button details-button"
          aria-label="Details"
          aria-expanded={details}
          onClick={onDetails}
        >
          <Icon name="info" />
        </button>
        {view.phase === "active" && (
          <button type="button" class="button small quiet" onClick={() => desk.end(view)}>
            {view.agent === desk.me ? "End" : "Leave"}
          </button>
        )}
      </div>
    </header>
  );
}

function Suggest({ desk, state }: Shown) {
  const { view } = state;
  const can = suggestions(view);
  const suggest = (media: "audio" | "video" | "screen") =>
    desk.attempt(desk.connection?.send("call.suggest", { engagement: view.id, media }));
  return (
    <>
      {can.voice && (
        <button
          type="button"
          class="button small primary"
          aria-label="Suggest voice"
          onClick={() => suggest("audio")}
        >
          <Icon name="phone" />
          <span class="wide-only">Suggest voice</span>
        </button>
      )}
      {can.video && (
        <button
          type="button"
          class="button small quiet"
          aria-label="Suggest video"
          onClick={() => suggest("video")}
        >
          <Icon name="camera" />
          <span class="wide-only">Suggest video</span>
        </button>
      )}
      {can.screen && (
        <button
          type="button"
          class="button small quiet"
          aria-label="Ask to share the screen"
          title="Ask the customer to share the screen"
          onClick={() => suggest("screen")}
        >
          <Icon name="screen" />
        </button>
      )}
      {view.phase === "active" && <Invite desk={desk} engagement={view.id} />}
    </>
  );
}
