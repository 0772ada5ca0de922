/**
 * Small MessagePack for the messages beside the stream: few, short, of any shape. Frames have their own writer and
 * reader. Source: the MessagePack specification; timestamps and extensions do not occur.
 */
import { Cursor, Unreadable } from "./cursor.ts";

export type Value = null | boolean | number | string | Uint8Array | Value[] | { [key: string]: Value };

const MAX_DEPTH = 16;

export function unpack(bytes: Uint8Array): Value {
  return value(new Cursor(bytes), 0);
}

function value(cursor: Cursor, depth: number): Value {
  if (depth > MAX_DEPTH) throw new Unreadable("depth");
  const head = cursor.head();
  if (head === 0xc0) return null;
  if (head === 0xc2 || head === 0xc3) return head === 0xc3;
  const number = cursor.number(head);
  if (number !== null) return number;
  const text = cursor.textLength(head);
  if (text !== null) return new TextDecoder().decode(cursor.take(text));
  const binary = cursor.binaryLength(head);
  if (binary !== null) return cursor.take(binary);
  const items = cursor.listLength(head);
  if (items !== null) return list(cursor, items, depth);
  return map(cursor, mapLength(cursor, head), depth);
}

function mapLength(cursor: Cursor, head: number): number {
  if (head >= 0x80 && head < 0x90) return head & 15;
  if (head === 0xde || head === 0xdf) return cursor.size(head - 0xdd);
  throw new Unreadable("type");
}

function list(cursor: Cursor, length: number, depth: number): Value[] {
  if (length > cursor.bytes.length) throw new Unreadable("length");
  return Array.from({ length }, () => value(cursor, depth + 1));
}

function map(cursor: Cursor, length: number, depth: number): { [key: string]: Value } {
  const found: { [key: string]: Value } = {};
  for (let index = 0; index < length; index += 1) {
    const key = String(value(cursor, depth + 1));
    found[key] = value(cursor, depth + 1);
  }
  return found;
}

export function pack(value: Value): Uint8Array<ArrayBuffer> {
  const parts: number[] = [];
  write(parts, value);
  return Uint8Array.from(parts);
}

function write(out: number[], value: Value): void {
  if (value === null) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "number") number(out, value);
  else if (typeof value === "string") sized(out, new TextEncoder().encode(value), 0xdb);
  else if (value instanceof Uint8Array) sized(out, value, 0xc6);
  else if (Array.isArray(value)) {
    out.push(0xdd, ...u32(value.length));
    for (const item of value) write(out, item);
  } else {
    const entries = Object.entries(value);
    out.push(0xdf, ...u32(entries.length));
    for (const [key, item] of entries) {
      write(out, key);
      write(out, item);
    }
  }
}

function number(out: number[], value: number): void {
  if (Number.isInteger(value) && value >= 0 && value < 128) {
    out.push(value);
  } else if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    out.push(0xd2, ...u32(value));
  } else {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value);
    out.push(0xcb, ...bytes);
  }
}

function sized(out: number[], bytes: Uint8Array, head: number): void {
  out.push(head, ...u32(bytes.length));
  for (const byte of bytes) out.push(byte);
}

const u32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
