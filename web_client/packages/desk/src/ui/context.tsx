/** The panel on the right: who the customer is, where on the site, how long they waited. */
import type { EngagementState } from "@talknow/client";
import type { PageItem } from "@talknow/protocol";
import type { Desk } from "../desk.ts";
import { clock, pathOf, presenceText, rough, visitorIn } from "../words.ts";
import { Icon } from "./icons.tsx";

const TRAIL = 8;

/** How long the visitor waited for the first agent; null while nobody came. */
export function waitedMs({ view, items }: EngagementState): number | null {
  if (view.queued_ms === 0) return null;
  const first = items.find((item) => item.kind === "joined" && item.role !== "visitor");
  return first === undefined ? null : Math.max(0, first.at_ms - view.queued_ms);
}

/** The last pages, newest first, without repeating the one shown above it. */
export function trailOf(items: EngagementState["items"]): PageItem[] {
  const pages = items.filter((item): item is PageItem => item.kind === "page");
  return pages
    .filter((item, index) => item.page.url !== pages[index - 1]?.page.url)
    .slice(-TRAIL)
    .reverse();
}

interface ContextProps {
  desk: Desk;
  state: EngagementState;
  shown: boolean;
  onClose: () => void;
}

export function Context({ state, shown, onClose }: ContextProps) {
  const { view } = state;
  const visitor = visitorIn(view);
  const waited = waitedMs(state);
  return (
    <aside class={shown ? "context shown" : "context"} aria-label="Customer">
      <div class="context-head">
        <h2>{visitor?.name ?? "Visitor"}</h2>
        <button type="button" class="button small quiet context-close" onClick={onClose}>
          Close
        </button>
      </div>
      {visitor?.verified ? (
        <p class="verified">
          <Icon name="shield" /> Verified by the company
        </p>
      ) : (
        <p class="anonymous">Anonymous visitor</p>
      )}
      <dl class="context-facts">
        {visitor?.verified && (
          <div>
            <dt>Customer id</dt>
            <dd data-verified-id={visitor.verified_id}>{visitor.verified_id}</dd>
          </div>
        )}
        <div>
          <dt>Now</dt>
          <dd data-presence={visitor?.presence ?? "gone"}>{presenceText(visitor)}</dd>
        </div>
        {waited !== null && (
          <div>
            <dt>Waited</dt>
            <dd>{rough(waited)}</dd>
          </div>
        )}
        <div>
          <dt>Since</dt>
          <dd>{clock(view.opened_ms)}</dd>
        </div>
      </dl>
      <Pages state={state} />
    </aside>
  );
}

function Pages({ state }: { state: EngagementState }) {
  const { page } = state.view;
  const trail = trailOf(state.items);
  return (
    <>
      {page && (
        <section class="context-page" aria-label="Current page">
          <h3>Current page</h3>
          <p class="page-title" data-page={page.url}>
            {page.title || pathOf(page.url)}
          </p>
          <p class="page-path">{pathOf(page.url)}</p>
        </section>
      )}
      {trail.length > 0 && (
        <section aria-label="Page trail">
          <h3>Page trail</h3>
          <ol class="trail">
            {trail.map((item) => (
              <li key={item.seq}>
                <span class="trail-time">{clock(item.at_ms)}</span>
                <span>{item.page.title || pathOf(item.page.url)}</span>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}
