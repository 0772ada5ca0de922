/** A request that rings: who, what, where, how long they wait, and the 20 s circle. */
import type { Desk } from "../desk.ts";
import { fractionLeft, type Ringing, wish } from "../offers.ts";
import { pathOf, rough } from "../words.ts";
import { useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";

const TICK_MS = 250;

export function OfferCard({ desk, ringing }: { desk: Desk; ringing: Ringing }) {
  const { made } = ringing;
  const { visitor, page } = made;
  return (
    <section class="offer" aria-label={`Request from ${visitor.name}`} data-offer={made.offer}>
      <div class="offer-head">
        <div>
          <h2>{visitor.name}</h2>
          {visitor.verified ? (
            <p class="verified">
              <Icon name="shield" /> Verified {visitor.verified_id}
            </p>
          ) : (
            <p class="anonymous">Anonymous visitor</p>
          )}
        </div>
        <Countdown ringing={ringing} />
      </div>
      <p class="offer-wish">
        <Icon name={made.wants === "chat" ? "chat" : made.wants === "voice" ? "phone" : "camera"} />
        Wants to {wish(made)}
      </p>
      {made.first_text !== "" && <p class="offer-text">{made.first_text}</p>}
      <Facts desk={desk} ringing={ringing} page={page === null ? "" : page.title || pathOf(page.url)} />
      <div class="offer-actions">
        <button type="button" class="button go" onClick={() => desk.accept(ringing)}>
          Accept
        </button>
        <button type="button" class="button quiet" onClick={() => desk.decline(ringing)}>
          Decline
        </button>
      </div>
    </section>
  );
}

function Facts({ desk, ringing, page }: { desk: Desk; ringing: Ringing; page: string }) {
  const now = useNow(true) + desk.skewMs;
  return (
    <dl class="facts">
      {page !== "" && (
        <div>
          <dt>Page</dt>
          <dd>{page}</dd>
        </div>
      )}
      <div>
        <dt>Waiting</dt>
        <dd>{rough(now - ringing.made.waiting_since_ms)}</dd>
      </div>
    </dl>
  );
}

function Countdown({ ringing }: { ringing: Ringing }) {
  const now = useNow(true, TICK_MS);
  const left = Math.max(0, Math.ceil((ringing.endsAt - now) / 1_000));
  return (
    <svg class="countdown" viewBox="0 0 44 44" role="img" aria-label={`${left} seconds left`}>
      <circle class="countdown-track" cx="22" cy="22" r="19" />
      <circle
        class="countdown-left"
        cx="22"
        cy="22"
        r="19"
        pathLength={100}
        stroke-dasharray="100"
        stroke-dashoffset={100 - 100 * fractionLeft(ringing, now)}
        transform="rotate(-90 22 22)"
      />
      <text x="22" y="27" text-anchor="middle">
        {left}
      </text>
    </svg>
  );
}
