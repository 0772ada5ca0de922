/**
 * Small MessagePack for the messages beside the stream: few, short, of any shape. Frames have their own writer and
 * reader. Source: the MessagePack specification; timestamps and extensions do not occur.
 */

export type Value = null | boolean | number | string | Uint8Array | Value[] | { [key: string]: Value };

const MAX_DEPTH = 16;
/** What a DataView calls the numbers that begin with 0xca, 0xcb and so on. */
const NUMBERS = "Float32 Float64 Uint8 Uint16 Uint32 BigUint64 Int8 Int16 Int32 BigInt64".split(" ");
const FIRST_NUMBER = 0xca;
const UINT8 = 0xcc;

/** Raises: an Error when it is no message that `pack` or a server could have made. */
export function unpack(bytes: Uint8Array): Value {
  return new Unpacker(bytes).value(0);
}

class Unpacker {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): Value {
    if (depth > MAX_DEPTH) throw new RangeError("depth");
    const head = this.number(UINT8);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15, depth);
    if (head < 0xa0) return this.list(head & 15, depth);
    if (head < 0xc0) return this.text(head & 31);
    if (head > 0xdf) return head - 256;
    return this.sized(head, depth);
  }

  /** What says in a byte of its own, or more of them, how long it is; and what has no length. */
  private sized(head: number, depth: number): Value {
    if (head > 0xdd) return this.map(this.number(UINT8 + head - 0xdd), depth);
    if (head > 0xdb) return this.list(this.number(UINT8 + head - 0xdb), depth);
    if (head > 0xd8) return this.text(this.number(UINT8 + head - 0xd9));
    if (head >= FIRST_NUMBER) return this.number(head);
    if (head > 0xc6 || head === 0xc1) throw new RangeError("type");
    if (head > 0xc3) return this.take(this.number(UINT8 + head - 0xc4));
    return head === 0xc0 ? null : head === 0xc3;
  }

  private number(head: number): number {
    const name = NUMBERS[head - FIRST_NUMBER] ?? "";
    const from = this.at;
    this.at += Number(name.replace(/\D/g, "").slice(-2)) / 8;
    return Number(this.view[`get${name}` as "getInt8"](from));
  }

  private take(length: number): Uint8Array {
    const from = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new RangeError("end");
    return this.bytes.subarray(from, this.at);
  }

  private text(length: number): string {
    return new TextDecoder().decode(this.take(length));
  }

  private list(length: number, depth: number): Value[] {
    if (length > this.bytes.length) throw new RangeError("length");
    return Array.from({ length }, () => this.value(depth + 1));
  }

  private map(length: number, depth: number): { [key: string]: Value } {
    const found: { [key: string]: Value } = {};
    for (let index = 0; index < length; index += 1) {
      const key = String(this.value(depth + 1));
      found[key] = this.value(depth + 1);
    }
    return found;
  }
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
