/**
 * What agents point at, mark and draw, as it comes over the wire: the shapes that a page may rely on. The server looks
 * at them too (cobrowse/pointing.py); whoever sent something else, nothing comes of it. Source: docs/cobrowse_wire.md,
 * section 3 (WATCH, POINT, MARK, DRAW).
 */
import { SIDE_DRAW, SIDE_MARK, SIDE_POINT } from "@talknow/protocol";

/** Points of one message; the server lets no more pass. */
const MOST_NUMBERS = 512;

/** x, y and points: fractions of the node's box; what: 0 moved, 1 clicked, 2 left; node 0: nothing is marked. */
export type Pointing =
  | { kind: "point"; who: number; node: number; x: number; y: number; what: number }
  | { kind: "mark"; who: number; node: number }
  | { kind: "draw"; who: number; stroke: number; node: number; points: number[]; last: boolean };

/** The fields of a message after its code; null when they have no such shape. */
export function pointingIn(code: number, values: readonly unknown[]): Pointing | null {
  const [who, a, b, c, d] = values;
  if (!isId(who) || !isId(a)) return null;
  if (code === SIDE_MARK) return { kind: "mark", who, node: a };
  if (code === SIDE_POINT)
    return isNumber(b) && isNumber(c) && isNumber(d)
      ? { kind: "point", who, node: a, x: b, y: c, what: d }
      : null;
  if (code !== SIDE_DRAW || !isId(b) || !Array.isArray(c) || c.length > MOST_NUMBERS) return null;
  return c.every(isNumber) ? { kind: "draw", who, stroke: a, node: b, points: c, last: d === 1 } : null;
}

/** WATCH: who looks, by number. */
export function watchersIn(list: unknown): Map<number, string> {
  const names = new Map<number, string>();
  for (const one of Array.isArray(list) ? list : [])
    if (Array.isArray(one) && isId(one[0])) names.set(one[0], String(one[1] ?? ""));
  return names;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
