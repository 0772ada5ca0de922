/**
 * Reads one flat msgpack frame value by value, with the stream's string table. Never trusts what it reads.
 *
 * Source: docs/cobrowse_wire.md, section 2; the MessagePack specification.
 */
import { FIRST_OWN, MAX_TABLE, MAX_TABLE_CHARS, STATIC_TABLE } from "@talknow/protocol";

/** The frame says something that cannot be: a keyframe is needed. */
export class BadFrame extends Error {}

const SHORT = 24;

export class Reader {
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private at = 0;
  private left = 0;
  private last = 0;
  private table: string[] = [...STATIC_TABLE];
  /** A keyframe's literals do not join the table: it came whole. */
  joins = true;
  private readonly utf8 = new TextDecoder();

  /** Returns the frame's seq. */
  begin(bytes: Uint8Array): number {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.last = 0;
    this.joins = true;
    this.left = this.header();
    return this.int();
  }

  get more(): boolean {
    return this.left > 0;
  }

  setTable(own: readonly string[]): void {
    this.table = [...STATIC_TABLE, ...own];
  }

  int(): number {
    const value = this.number();
    if (!Number.isInteger(value)) throw new BadFrame("int");
    return value;
  }

  number(): number {
    const head = this.next();
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 256;
    const { view } = this;
    switch (head) {
      case 0xcc:
        return view.getUint8(this.skip(1));
      case 0xcd:
        return view.getUint16(this.skip(2));
      case 0xce:
        return view.getUint32(this.skip(4));
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
      case 0xca:
        return view.getFloat32(this.skip(4));
      case 0xcb:
        return view.getFloat64(this.skip(8));
      default:
        throw new BadFrame("number");
    }
  }

  /** A node id, given as a delta to the last one of the frame. */
  ref(): number {
    this.last += this.int();
    return this.last;
  }

  /** A reference whose delta 0 means none. */
  refOrNone(): number {
    const delta = this.int();
    if (delta === 0) return 0;
    this.last += delta;
    return this.last;
  }

  /** A table index or a literal; null for the 0 that ends a list of attributes. */
  slotOrEnd(): string | null {
    const head = this.bytes[this.at] as number;
    if (head === 0) {
      this.next();
      return null;
    }
    return this.slot();
  }

  slot(): string {
    const head = this.bytes[this.at] as number;
    if (head < 0x80 || (head >= 0xcc && head <= 0xcf)) {
      const text = this.table[this.int()];
      if (text === undefined) throw new BadFrame("slot");
      return text;
    }
    const text = this.text();
    if (this.joins && text.length <= MAX_TABLE_CHARS && this.table.length < FIRST_OWN + MAX_TABLE)
      this.table.push(text);
    return text;
  }

  text(): string {
    const head = this.next();
    let length: number;
    if (head >= 0xa0 && head < 0xc0) length = head & 31;
    else if (head === 0xd9) length = this.view.getUint8(this.skip(1));
    else if (head === 0xda) length = this.view.getUint16(this.skip(2));
    else if (head === 0xdb) length = this.view.getUint32(this.skip(4));
    else throw new BadFrame("text");
    const from = this.skip(length);
    return length <= SHORT
      ? this.short(from, length)
      : this.utf8.decode(this.bytes.subarray(from, from + length));
  }

  binary(): Uint8Array {
    const head = this.next();
    const wide = head - 0xc4;
    if (wide < 0 || wide > 2) throw new BadFrame("binary");
    const { view } = this;
    let length: number;
    if (wide === 0) length = view.getUint8(this.skip(1));
    else length = wide === 1 ? view.getUint16(this.skip(2)) : view.getUint32(this.skip(4));
    const from = this.skip(length);
    return this.bytes.slice(from, from + length);
  }

  ints(): number[] {
    const count = this.int();
    if (count < 0 || count > this.left) throw new BadFrame("count");
    return Array.from({ length: count }, () => this.int());
  }

  texts(): string[] {
    const count = this.int();
    if (count < 0 || count > this.left) throw new BadFrame("count");
    return Array.from({ length: count }, () => this.text());
  }

  private short(from: number, length: number): string {
    let text = "";
    for (let at = from; at < from + length; at += 1) {
      const byte = this.bytes[at] as number;
      if (byte > 127) return this.utf8.decode(this.bytes.subarray(from, from + length));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  private header(): number {
    const head = this.bytes[this.at++] as number;
    if (head >= 0x90 && head < 0xa0) return head & 15;
    if (head === 0xdc) return this.view.getUint16(this.skip(2));
    if (head === 0xdd) return this.view.getUint32(this.skip(4));
    throw new BadFrame("frame");
  }

  private next(): number {
    this.left -= 1;
    if (this.left < 0 || this.at >= this.bytes.length) throw new BadFrame("end");
    return this.bytes[this.at++] as number;
  }

  private skip(bytes: number): number {
    const from = this.at;
    this.at += bytes;
    if (this.at > this.bytes.length) throw new BadFrame("end");
    return from;
  }
}
