/** Views, offers and a desk on a fake wire, for the tests of the desk. */
import { type Api, MemoryStore } from "@talknow/client";
import type { CallView, EngagementView, LegView, OfferMade, ParticipantView } from "@talknow/protocol";
import { FakeWire, settle, viewOf } from "../../client/tests/fakes.ts";
import { Alerts } from "../src/alerts.ts";
import { Desk } from "../src/desk.ts";

export const ME = "a_1";
export const VISITOR: ParticipantView = {
  id: "v_1",
  role: "visitor",
  name: "Anna Berg",
  presence: "online",
  away_reason: "",
  verified: true,
  verified_id: "customer-4711",
};
const AGENT: ParticipantView = {
  ...VISITOR,
  id: ME,
  role: "agent",
  name: "Dana",
  verified: false,
  verified_id: "",
};

export function legOf(participant: string, change: Partial<LegView> = {}): LegView {
  return {
    id: `l_${participant}`,
    participant,
    state: "connected",
    device: `d_${participant}`,
    muted: false,
    video: false,
    screen: false,
    mode: "talk",
    seat: 0,
    ...change,
  };
}

export function sample(
  call: Partial<CallView> = {},
  visitor: Partial<ParticipantView> = {},
  change: Partial<EngagementView> = {},
): EngagementView {
  const base = viewOf(change);
  return {
    ...base,
    participants: [{ ...VISITOR, ...visitor }, AGENT],
    call: { ...base.call, ...call },
  };
}

export function offerOf(offer: string, change: Partial<OfferMade> = {}): OfferMade {
  return {
    offer,
    engagement: `e_${offer}`,
    due_ms: 0,
    remaining_ms: 20_000,
    waiting_since_ms: 1_000,
    visitor: VISITOR,
    wants: "voice",
    first_text: "Hello",
    page: { url: "https://bank.example/loan.html", title: "Loan" },
    ...change,
  };
}

export interface Bench {
  desk: Desk;
  wires: FakeWire[];
  wire(): FakeWire;
  /** The last command of that name. */
  last(name: string): FakeWire["sent"][number];
}

/** A desk that is logged in, on a wire the test answers. */
export async function bench(store = new MemoryStore(), views: EngagementView[] = []): Promise<Bench> {
  const wires: FakeWire[] = [];
  const agent = { id: ME, login: "dana", name: "Dana", role: "agent", site: "demo", capacity: 3 };
  const api = {
    me: async () => agent,
    login: async () => agent,
    logout: async () => undefined,
    accessToken: async () => ({ token: "t", expires_ms: Date.now() + 900_000 }),
  } as unknown as Api;
  const open = (_: string, auth: FakeWire["auth"]) => {
    const wire = new FakeWire(auth);
    wires.push(wire);
    return wire;
  };
  const desk = new Desk({
    server: "https://talk.example",
    store,
    device: "d_a_1",
    api,
    open,
    alerts: new Alerts(),
  });
  await desk.start();
  await settle();
  const wire = () => wires.at(-1) as FakeWire;
  ready(wire(), views);
  const last = (name: string) => {
    const found = wire().sent.findLast((one) => one.name === name);
    if (found === undefined) throw new Error(`no ${name} was sent`);
    return found;
  };
  return { desk, wires, wire, last };
}

export function ready(wire: FakeWire, views: EngagementView[] = []): void {
  wire.say("session.ready", {
    protocol: 1,
    participant: ME,
    role: "agent",
    name: "Dana",
    site: "demo",
    server_ms: Date.now(),
    engagements: views.map((view) => ({ view, items: [], after_seq: 0, truncated: false })),
    availability: "ready",
    capacity: 3,
  });
}
