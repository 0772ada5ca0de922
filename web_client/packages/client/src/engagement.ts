/**
 * What this participant knows of its engagements: the view, the timeline, who types, what is on its way.
 *
 * It only applies server events; every change makes new objects, so that a UI may compare by identity.
 * `seq` decides what is new: what was seen before changes nothing, so snapshots and live events may overlap.
 * One event of the log may be told in two parts with one seq (a first message also enters the queue).
 */
import type {
  EngagementSnapshot,
  EngagementView,
  MarkView,
  MessageItem,
  QueueMoved,
  TimelineItem,
} from "@talknow/protocol";
import type { Connection } from "./connection.ts";
import type { Api } from "./http.ts";

export interface EngagementState {
  view: EngagementView;
  items: readonly TimelineItem[];
  /** Older items exist; `loadOlder` fetches them. */
  truncated: boolean;
  typing: ReadonlySet<string>;
  queue: Pick<QueueMoved, "position" | "agents"> | null;
  /** Highest seq applied. */
  seq: number;
}

/** A message of mine that the server has not acked. */
export interface PendingMessage {
  counter: number;
  engagement: string | null;
  text: string;
  file: string | null;
}

const TYPING_MS = 6_000;

/** Append what is not there yet; only items of the last seq can be told twice. */
function withNew(items: readonly TimelineItem[], more: readonly TimelineItem[]): readonly TimelineItem[] {
  const last = items.at(-1)?.seq ?? -1;
  const known = new Set(items.filter((item) => item.seq === last).map((item) => JSON.stringify(item)));
  const fresh = more.filter(
    (item) => item.seq > last || (item.seq === last && !known.has(JSON.stringify(item))),
  );
  return fresh.length === 0 ? items : [...items, ...fresh];
}

export class EngagementStore {
  readonly engagements = new Map<string, EngagementState>();
  me = "";
  name = "";
  /** Server clock minus mine, for times shown as durations. */
  skewMs = 0;
  private readonly watchers = new Set<() => void>();
  private readonly typingTimers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly connection: Connection) {
    connection.on("session.ready", (ready) => {
      this.me = ready.participant;
      this.name = ready.name;
      this.skewMs = ready.server_ms - Date.now();
      const listed = new Set(ready.engagements.map((snapshot) => snapshot.view.id));
      for (const snapshot of ready.engagements) this.applySnapshot(snapshot);
      this.forgetUnlisted(listed);
      this.notify();
    });
    connection.on("engagement.snapshot", ({ snapshot }) => {
      this.applySnapshot(snapshot);
      this.notify();
    });
    connection.on("engagement.changed", ({ seq, view, items }) => this.applyChange(seq, view, items ?? []));
    connection.on("chat.posted", ({ engagement, seq, message }) =>
      this.applyMessage(engagement, seq, message),
    );
    connection.on("chat.marked", ({ engagement, seq, mark }) => this.applyMark(engagement, seq, mark));
    connection.on("chat.typing_changed", ({ engagement, participant, typing }) =>
      this.applyTyping(engagement, participant, typing),
    );
    connection.on("queue.moved", ({ engagement, position, agents }) =>
      this.update(engagement, () => ({ queue: { position, agents } })),
    );
    connection.subscribe(() => this.notify());
  }

  subscribe(fn: () => void): () => void {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  get(engagement: string): EngagementState | undefined {
    return this.engagements.get(engagement);
  }

  /** The newest engagement, one that is not ended first. */
  current(): EngagementState | undefined {
    const all = [...this.engagements.values()].sort((a, b) => b.view.opened_ms - a.view.opened_ms);
    return all.find(({ view }) => view.phase !== "ended") ?? all[0];
  }

  /** For CONNECT: what was seen of the current engagement. */
  seen(): { engagement?: string; after_seq?: number } {
    const current = this.current();
    return current === undefined ? {} : { engagement: current.view.id, after_seq: current.seq };
  }

  /** My messages on their way, of one engagement (null: of the one that the first of them opens). */
  pending(engagement: string | null): PendingMessage[] {
    return this.connection.outbox.pending
      .filter(({ name, body }) => name === "chat.send" && (body.engagement ?? null) === engagement)
      .map(({ body }) => ({
        counter: body.counter,
        engagement,
        text: (body.text as string | undefined) ?? "",
        file: (body.file as string | undefined) ?? null,
      }));
  }

  /** Messages of others after my read mark. */
  unread(engagement: string): number {
    const state = this.engagements.get(engagement);
    if (state === undefined) return 0;
    const read = state.view.marks.find((mark) => mark.participant === this.me)?.read ?? 0;
    return state.items.filter((item) => item.kind === "message" && item.by !== this.me && item.seq > read)
      .length;
  }

  /** Highest delivered and read seq of everybody but me. */
  othersMarks(engagement: string): { delivered: number; read: number } {
    const marks = (this.engagements.get(engagement)?.view.marks ?? []).filter(
      (mark) => mark.participant !== this.me,
    );
    return {
      delivered: Math.max(0, ...marks.map((mark) => mark.delivered)),
      read: Math.max(0, ...marks.map((mark) => mark.read)),
    };
  }

  /** Tell the server what arrived here, and that it was read when `read`. Never goes back. */
  async mark(engagement: string, read: boolean): Promise<void> {
    const state = this.engagements.get(engagement);
    if (state === undefined || state.view.phase === "ended") return;
    const last = state.items.findLast((item) => item.kind === "message" && item.by !== this.me)?.seq ?? 0;
    const mine = state.view.marks.find((mark) => mark.participant === this.me);
    const next = {
      delivered: Math.max(last, mine?.delivered ?? 0),
      read: read ? Math.max(last, mine?.read ?? 0) : (mine?.read ?? 0),
    };
    if (next.delivered === (mine?.delivered ?? 0) && next.read === (mine?.read ?? 0)) return;
    this.putMark(engagement, { participant: this.me, ...next });
    await this.connection.tell("chat.mark", { engagement, ...next }).catch(() => undefined);
  }

  /** Put the page before the first item in front of it. */
  async loadOlder(engagement: string, api: Api): Promise<void> {
    const first = this.engagements.get(engagement)?.items[0];
    if (first === undefined) return;
    const page = await api.timeline(engagement, first.seq);
    this.update(engagement, (state) => ({
      items: [...page.items.filter((item) => item.seq < first.seq), ...state.items],
      truncated: page.more,
    }));
  }

  /** Sign-out: know nothing any more. */
  clear(): void {
    this.engagements.clear();
    this.me = "";
    this.notify();
  }

  private applySnapshot(snapshot: EngagementSnapshot): void {
    const { view, items, after_seq, truncated } = snapshot;
    const old = this.engagements.get(view.id);
    if (old !== undefined && old.seq > view.seq) return;
    const kept = truncated ? [] : (old?.items ?? []).filter((item) => item.seq <= after_seq);
    this.engagements.set(view.id, {
      view,
      items: [...kept, ...items],
      truncated: truncated || (kept.length > 0 && (old?.truncated ?? false)),
      typing: new Set(),
      queue: old?.queue ?? null,
      seq: view.seq,
    });
  }

  /** What the server no longer lists is over; an ended one stays readable until the page goes. */
  private forgetUnlisted(listed: Set<string>): void {
    for (const [id, { view }] of this.engagements) {
      if (!listed.has(id) && view.phase !== "ended") this.engagements.delete(id);
    }
  }

  private applyChange(seq: number, view: EngagementView, items: TimelineItem[]): void {
    const old = this.engagements.get(view.id);
    if (old === undefined) {
      this.engagements.set(view.id, {
        view,
        items,
        truncated: seq > items.length,
        typing: new Set(),
        queue: null,
        seq,
      });
      this.notify();
      return;
    }
    if (seq < old.seq) return;
    const queue = view.phase === "queued" || view.phase === "offered" ? old.queue : null;
    this.update(view.id, () => ({ view, items: withNew(old.items, items), queue, seq }));
  }

  private applyMessage(engagement: string, seq: number, message: MessageItem): void {
    this.update(engagement, (state) => {
      if (seq < state.seq) return null;
      const typing = new Set(state.typing);
      typing.delete(message.by);
      return { items: withNew(state.items, [message]), typing, seq };
    });
    // Who writes has read what was there.
    this.putMark(engagement, { participant: message.by, delivered: seq, read: seq });
  }

  private applyMark(engagement: string, seq: number, mark: MarkView): void {
    this.putMark(engagement, mark);
    this.update(engagement, (state) => (seq > state.seq ? { seq } : null));
  }

  private putMark(engagement: string, mark: MarkView): void {
    this.update(engagement, ({ view }) => {
      const others = view.marks.filter((one) => one.participant !== mark.participant);
      const old = view.marks.find((one) => one.participant === mark.participant);
      const next = {
        participant: mark.participant,
        delivered: Math.max(mark.delivered, old?.delivered ?? 0),
        read: Math.max(mark.read, old?.read ?? 0),
      };
      return { view: { ...view, marks: [...others, next] } };
    });
  }

  private applyTyping(engagement: string, participant: string, typing: boolean): void {
    const key = `${engagement}/${participant}`;
    clearTimeout(this.typingTimers.get(key));
    if (typing) {
      this.typingTimers.set(
        key,
        setTimeout(() => this.applyTyping(engagement, participant, false), TYPING_MS),
      );
    }
    this.update(engagement, (state) => {
      const next = new Set(state.typing);
      if (typing) next.add(participant);
      else next.delete(participant);
      return { typing: next };
    });
  }

  private update(id: string, change: (state: EngagementState) => Partial<EngagementState> | null): void {
    const state = this.engagements.get(id);
    const changes = state && change(state);
    if (!state || !changes) return;
    this.engagements.set(id, { ...state, ...changes });
    this.notify();
  }

  private notify(): void {
    for (const fn of this.watchers) fn();
  }
}
