/**
 * Small MessagePack for the messages beside the stream: few, short, of any shape. Frames have their own writer and
 * reader. Source: the MessagePack specification; timestamps and extensions do not occur.
 */

export type Value = null | boolean | number | string | Uint8Array | Value[] | { [key: string]: Value };

const MAX_DEPTH = 16;

export class Unreadable extends Error {}

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
    if (depth > MAX_DEPTH || this.at >= this.bytes.length) throw new Unreadable();
    const head = this.bytes[this.at++] as number;
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15, depth);
    if (head < 0xa0) return this.list(head & 15, depth);
    if (head < 0xc0) return this.text(head & 31);
    if (head >= 0xe0) return head - 256;
    return this.other(head, depth);
  }

  private other(head: number, depth: number): Value {
    const { view } = this;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return head === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.slice(this.size(head - 0xc4));
      case 0xca:
        return view.getFloat32(this.skip(4));
      case 0xcb:
        return view.getFloat64(this.skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.size(head - 0xcc);
      case 0xcf:
        return Number(view.getBigUint64(this.skip(8)));
      case 0xd0:
        return view.getInt8(this.skip(1));
      case 0xd1:
        return view.getInt16(this.skip(2));
      case 0xd2:
        return view.getInt32(this.skip(4));
      case 0xd3:
        return Number(view.getBigInt64(this.skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.size(head - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.list(this.size(head - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.size(head - 0xdd), depth);
      default:
        throw new Unreadable();
    }
  }

  private skip(bytes: number): number {
    const from = this.at;
    this.at += bytes;
    if (this.at > this.bytes.length) throw new Unreadable();
    return from;
  }

  /** An unsigned int of 1, 2 or 4 bytes. */
  private size(kind: number): number {
    if (kind === 0) return this.view.getUint8(this.skip(1));
    return kind === 1 ? this.view.getUint16(this.skip(2)) : this.view.getUint32(this.skip(4));
  }

  private slice(length: number): Uint8Array {
    const from = this.skip(length);
    return this.bytes.subarray(from, from + length);
  }

  private text(length: number): string {
    return new TextDecoder().decode(this.slice(length));
  }

  private list(length: number, depth: number): Value[] {
    if (length > this.bytes.length) throw new Unreadable();
    return Array.from({ length }, () => this.value(depth + 1));
  }

  private map(length: number, depth: number): { [key: string]: Value } {
    const found: { [key: string]: Value } = {};
    for (let index = 0; index < length; index += 1) {
      const key = this.value(depth + 1);
      found[String(key)] = this.value(depth + 1);
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
