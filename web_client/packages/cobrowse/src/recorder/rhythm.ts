/**
 * When a frame is written: at once after quiet, at the end of the task when busy, less often when writing is dear
 * or the socket is full. Source: docs/cobrowse.md, "rhythm".
 */
import { native } from "./native.ts";

/** After so much quiet a change leaves in its own microtask, before layout: also between frames of an animation. */
const QUIET_MS = 2;
/** No more than two frames leave in this time: what changes all the time goes together. */
const PAIR_MS = 16;
/** What is not urgent (scrolling, the pointer) waits so long for company. */
const LAZY_MS = 33;
const SLOW_MS = 50;
const FULL_BYTES = 64 * 1024;
/** A frame that took long is followed by so many times its cost of quiet; a short one by no more than itself. */
const DEAR_MS = 8;
const SHARE = 4;
const LONGEST_MS = 250;

export class Rhythm {
  private last = 0;
  private lastButOne = 0;
  private cost = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due = Number.POSITIVE_INFINITY;
  /** When the timer that is set comes. */
  private rings = Number.POSITIVE_INFINITY;
  /** Something is to be written; a timer that finds nothing does nothing. */
  private wanted = false;
  private going = false;

  constructor(
    private readonly write: (now: number) => void,
    private readonly queued: () => number,
  ) {}

  /** The tree changed, and the page's task is over: people wait for it. */
  changed(soon: boolean): void {
    this.wanted = true;
    if (this.going) return;
    const now = performance.now();
    const due = this.next(soon ? QUIET_MS : LAZY_MS);
    if (soon && now >= due) this.run(now);
    else this.at(due, now);
  }

  /** An event told of it, and the page may yet change more in the same task. */
  told(): void {
    this.wanted = true;
    this.at(this.next(QUIET_MS), performance.now());
  }

  /** There was no time for all: go on as soon as the page has had its turn. */
  goOn(): void {
    this.wanted = true;
    if (this.going) return;
    this.going = true;
    turn(() => {
      this.going = false;
      if (this.wanted) this.run(performance.now());
    });
  }

  stop(): void {
    clearTimeout(this.timer);
    this.wanted = false;
  }

  /** When the next frame may leave. */
  private next(quiet: number): number {
    return Math.max(this.last + Math.max(quiet, this.pause()), this.lastButOne + PAIR_MS);
  }

  private pause(): number {
    const dear = Math.min(LONGEST_MS, this.cost > DEAR_MS ? this.cost * SHARE : this.cost);
    return this.queued() > FULL_BYTES ? Math.max(SLOW_MS, dear) : dear;
  }

  private at(due: number, now: number): void {
    if (due >= this.due) return;
    this.due = due;
    if (due < this.rings) this.ring(due, now);
  }

  /** One timer stays set while frames come and go by other ways: setting it anew for each costs more than they do. */
  private ring(at: number, now: number): void {
    clearTimeout(this.timer);
    this.rings = at;
    this.timer = native("setTimeout")(() => {
      this.rings = Number.POSITIVE_INFINITY;
      const late = performance.now();
      if (!this.wanted) return;
      if (this.due > late + 1) this.ring(this.due, late);
      else this.run(late);
    }, at - now);
  }

  private run(begun: number): void {
    this.due = Number.POSITIVE_INFINITY;
    this.wanted = false;
    this.write(begun);
    this.lastButOne = this.last;
    this.last = performance.now();
    this.cost = this.last - begun;
  }
}

/** As a task of its own, after what waits already; timers in a row would be held up by the browser. */
function turn(fn: () => void): void {
  const { scheduler } = window as { scheduler?: { postTask(fn: () => void): unknown } };
  if (scheduler) scheduler.postTask(fn);
  else native("setTimeout")(fn);
}
