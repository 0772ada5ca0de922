/** The left column: what rings, and the engagements side by side. */
import type { EngagementState } from "@talknow/client";
import type { Desk } from "../desk.ts";
import { clock, phaseText, visitorIn } from "../words.ts";
import { JoinByCode } from "./code.tsx";
import { Icon } from "./icons.tsx";
import { Invitations } from "./invite.tsx";
import { OfferCard } from "./offer.tsx";

export function List({ desk }: { desk: Desk }) {
  const engagements = desk.list();
  return (
    <nav class="list" aria-label="Engagements">
      {desk.offers.map((ringing) => (
        <OfferCard key={ringing.made.offer} desk={desk} ringing={ringing} />
      ))}
      <Invitations desk={desk} />
      <JoinByCode desk={desk} />
      <ul>
        {engagements.map((state, index) => (
          <li key={state.view.id}>
            <Entry desk={desk} state={state} index={index} />
          </li>
        ))}
      </ul>
      {engagements.length === 0 && desk.offers.length === 0 && (
        <p class="list-empty">
          {desk.availability === "ready"
            ? "No engagements yet. The next request rings here."
            : "No engagements. Switch to Ready to take requests."}
        </p>
      )}
    </nav>
  );
}

function lastWords(state: EngagementState): string {
  const last = state.items.findLast((item) => item.kind === "message");
  if (last?.kind !== "message") return "";
  return last.file ? last.file.name : last.text;
}

function Entry({ desk, state, index }: { desk: Desk; state: EngagementState; index: number }) {
  const { view } = state;
  const visitor = visitorIn(view);
  const unread = desk.engagements?.unread(view.id) ?? 0;
  const inCall = view.call.state !== "none";
  const last = state.items.at(-1);
  const typing = [...state.typing].some((who) => who !== desk.me);
  return (
    <button
      type="button"
      class="entry"
      aria-current={desk.selected === view.id}
      data-engagement={view.id}
      data-phase={view.phase}
      onClick={() => desk.select(view.id)}
    >
      <span class={`presence ${visitor?.presence ?? "gone"} ${visitor?.away_reason ?? ""}`} />
      <span class="entry-name">
        {visitor?.name ?? "Visitor"}
        {visitor?.verified && <Icon name="shield" />}
      </span>
      <span class="entry-time">{last ? clock(last.at_ms) : ""}</span>
      <span class="entry-last">{typing ? "is writing…" : lastWords(state)}</span>
      <span class={inCall ? "entry-phase in-call" : "entry-phase"}>
        {inCall && <Icon name="phone" />}
        {phaseText(view)}
      </span>
      {unread > 0 && (
        <span class="badge" data-unread={unread}>
          {unread}
          <span class="visually-hidden"> unread</span>
        </span>
      )}
      {index < 9 && <span class="visually-hidden">{`, Alt ${index + 1}`}</span>}
    </button>
  );
}
