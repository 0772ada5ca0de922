/** The customer's page on the agent's screen: the picture, its tabs, and what may be done on it. */
import type { Tool, Zoom } from "@talknow/cobrowse/viewer/messages";
import { useEffect, useRef } from "preact/hooks";
import { deviceInWords } from "../device.ts";
import type { Watching } from "../watching.ts";
import type { Shown } from "./engagement.tsx";
import { Icon } from "./icons.tsx";

/** Ask, or end: beside the other suggestions. */
export function ShareButton({ desk, state }: Shown) {
  const { id, cobrowse, phase } = state.view;
  if (phase !== "active") return null;
  const send = (name: "cobrowse.request" | "cobrowse.decline" | "cobrowse.stop") =>
    desk.attempt(desk.connection?.send(name, { engagement: id }));
  const [label, name] = (
    {
      off: ["See the page", "cobrowse.request"],
      requested: ["Take the question back", "cobrowse.decline"],
      live: ["Stop seeing the page", "cobrowse.stop"],
      paused: ["Stop seeing the page", "cobrowse.stop"],
    } as const
  )[cobrowse.state];
  return (
    <button
      type="button"
      class="button small quiet"
      aria-label={label}
      title={label}
      onClick={() => send(name)}
    >
      <Icon name="page" />
    </button>
  );
}

export function SharedPage({ desk, state }: Shown) {
  const { cobrowse } = state.view;
  const shared = cobrowse.state === "live" || cobrowse.state === "paused";
  const watching = shared ? desk.watch(state.view.id) : null;
  useEffect(() => (shared ? () => desk.unwatch() : undefined), [shared, desk]);
  if (cobrowse.state === "requested") {
    return (
      <p class="shared-note" role="status">
        The customer was asked to show the page.
      </p>
    );
  }
  if (watching === null || watching.viewerUrl === "") return null;
  return (
    <section
      class="shared-page"
      aria-label="Shared page"
      data-cobrowse={cobrowse.state}
      onKeyDown={(event) => {
        if (event.key === "Escape" && watching.tool !== "look") watching.setTool("look");
      }}
    >
      <Address watching={watching} />
      <Tools desk={desk} state={state} watching={watching} />
      <Frame watching={watching} />
      <Troubles desk={desk} state={state} watching={watching} />
    </section>
  );
}

function Address({ watching }: { watching: Watching }) {
  const { tabs, shown, title, url, size } = watching;
  const tab = tabs.find(({ id }) => id === shown);
  const zoomed = size.scale < 1.02 ? "" : `, zoomed in to ${Math.round(size.scale * 100)} %`;
  return (
    <div class="shared-address">
      <strong data-title>{title || "Page without a title"}</strong>
      <span data-address>{url}</span>
      <span data-device>
        {`${deviceInWords(tab?.device ?? "", size.touch)}, ${size.width} × ${size.height}${zoomed}`}
      </span>
      {tabs.length > 1 && <Tabs watching={watching} />}
    </div>
  );
}

/** The tab in front leads, unless the agent picks one. */
function Tabs({ watching }: { watching: Watching }) {
  const { tabs } = watching;
  const picked = tabs.some(({ id }) => id === watching.picked) ? watching.picked : "";
  return (
    <select aria-label="Tab" value={picked} onChange={(event) => watching.choose(event.currentTarget.value)}>
      <option value="">Follow the customer</option>
      {tabs.map(({ id, title, url, state }) => (
        <option key={id} value={id}>
          {`${title || url || "Tab"}${STATES[state]}`}
        </option>
      ))}
    </select>
  );
}

const STATES = {
  live: "",
  stale: ", not heard from",
  held: ", not shown",
  away: ", not there",
  too_big: ", too large",
} as const;
const CONTROL = ["scroll", "click", "type", "navigate"] as const;
const TOOLS: readonly [Tool, string][] = [
  ["look", "Look"],
  ["point", "Point"],
  ["highlight", "Highlight"],
  ["draw", "Draw"],
];

function Tools({ desk, state, watching }: Shown & { watching: Watching }) {
  const may = grantOf(state, "point") !== undefined;
  useEffect(() => watching.pointing(may), [watching, may]);
  return (
    <div class="shared-tools" role="toolbar" aria-label="Shared page">
      {may &&
        TOOLS.map(([tool, label]) => (
          <button
            key={tool}
            type="button"
            class="button small quiet"
            aria-pressed={watching.tool === tool}
            onClick={() => watching.setTool(tool)}
          >
            {label}
          </button>
        ))}
      {!may && <AskButton desk={desk} state={state} capability="point" />}
      <ControlTools desk={desk} state={state} watching={watching} />
      <RecordTool desk={desk} state={state} />
      <ZoomChoice watching={watching} />
      <button
        type="button"
        class="button small quiet"
        aria-pressed={watching.follow}
        onClick={() => watching.setFollow(!watching.follow)}
      >
        Follow
      </button>
    </div>
  );
}

const ZOOMS: readonly [Zoom, string][] = [
  ["whole", "Whole window"],
  ["width", "Full width"],
  ["actual", "Actual size"],
];

function ZoomChoice({ watching }: { watching: Watching }) {
  return (
    <select
      class="shared-zoom"
      aria-label="Size"
      value={watching.zoom}
      onChange={(event) => watching.setZoom(event.currentTarget.value as Zoom)}
    >
      {ZOOMS.map(([zoom, label]) => (
        <option key={zoom} value={zoom}>
          {label}
        </option>
      ))}
    </select>
  );
}

type Asked = "point" | "control" | "record";

function grantOf(state: Shown["state"], what: Asked) {
  return state.view.cobrowse.grants.find(({ capability }) => capability === what);
}

/** Ask for more than to look; the customer answers. */
function AskButton({ desk, state, capability }: Shown & { capability: Asked }) {
  const { id, cobrowse } = state.view;
  const asked = cobrowse.asks.some((one) => one.capability === capability);
  const kinds = capability === "control" ? [...CONTROL] : [];
  const ask = () => desk.connection?.send("cobrowse.ask", { engagement: id, capability, kinds });
  return (
    <button type="button" class="button small quiet" disabled={asked} onClick={() => desk.attempt(ask())}>
      {asked ? `Asked to ${capability}…` : `Ask to ${capability}`}
    </button>
  );
}

/** Give back what was granted. */
function GiveBackButton({ desk, state, capability, label }: Shown & { capability: Asked; label: string }) {
  const giveBack = () => desk.connection?.send("cobrowse.revoke", { engagement: state.view.id, capability });
  return (
    <button type="button" class="button small quiet" onClick={() => desk.attempt(giveBack())}>
      {label}
    </button>
  );
}

/** Acting on the customer's page: asked for, granted by kind to who asked, given back. */
function ControlTools({ desk, state, watching }: Shown & { watching: Watching }) {
  const grant = grantOf(state, "control");
  const mine = grant?.holder === desk.me;
  const held = grant !== undefined && mine ? grant.id : "";
  useEffect(() => watching.control(held), [watching, held]);
  if (grant === undefined) return <AskButton desk={desk} state={state} capability="control" />;
  if (!mine)
    return <span class="shared-holder">{`${grant.holder_name || "Somebody"} controls this page`}</span>;
  return (
    <>
      <button
        type="button"
        class="button small quiet"
        aria-pressed={watching.tool === "control"}
        onClick={() => watching.setTool("control")}
      >
        Control
      </button>
      {grant.kinds.includes("navigate") &&
        (["back", "reload"] as const).map((where) => (
          <button
            key={where}
            type="button"
            class="button small quiet"
            onClick={() => watching.navigate(where)}
          >
            {where === "back" ? "Go back" : "Reload"}
          </button>
        ))}
      <GiveBackButton desk={desk} state={state} capability="control" label="End control" />
    </>
  );
}

/** Keeping what is shown, where the site allows it. */
function RecordTool({ desk, state }: Shown) {
  if (grantOf(state, "record") === undefined)
    return <AskButton desk={desk} state={state} capability="record" />;
  return <GiveBackButton desk={desk} state={state} capability="record" label="Stop recording" />;
}

function Frame({ watching }: { watching: Watching }) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    watching.attach(frame.current);
    return () => watching.attach(null);
  }, [watching]);
  return (
    <iframe
      ref={frame}
      class="shared-frame"
      title="The customer's page"
      src={watching.viewerUrl}
      sandbox="allow-scripts allow-same-origin"
    />
  );
}

const NOTES: Readonly<Record<string, string>> = {
  foreign_frame: "a part from another site",
  canvas: "a protected picture or video",
  stylesheet: "a style sheet from another site",
  plugin: "a plug-in",
  font: "a font",
  image: "some pictures",
  too_big: "a page or part that is too large",
};

function Troubles({ desk, state, watching }: Shown & { watching: Watching }) {
  const missing = [...watching.notes].map((what) => NOTES[what] ?? what);
  // A screen is shared within a call.
  const calls = state.view.call.state !== "none";
  const media = calls ? "screen" : "audio";
  const ask = () => desk.connection?.send("call.suggest", { engagement: state.view.id, media });
  return (
    <>
      {watching.problem && <p class="shared-note">{watching.problem}</p>}
      {watching.refused && (
        <p class="shared-note" role="alert">
          {watching.refused}
        </p>
      )}
      {watching.masked > 0 && (
        <p class="shared-note" role="status">
          {`${watching.masked} ${watching.masked === 1 ? "thing was" : "things were"} hidden by the server.`}
        </p>
      )}
      {missing.length > 0 && (
        <p class="shared-note" role="status">
          {`Cannot be shown here: ${missing.join(", ")}.`}
          <button type="button" class="button small quiet" onClick={() => desk.attempt(ask())}>
            {calls ? "Ask for the screen" : "Suggest a call to see the screen"}
          </button>
        </p>
      )}
    </>
  );
}
