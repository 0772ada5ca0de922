/**
 * Reads one flat msgpack frame value by value, with the stream's string table. Never trusts what it reads.
 *
 * Source: docs/cobrowse_wire.md, section 2; the MessagePack specification.
 */
import { FIRST_OWN, MAX_TABLE, MAX_TABLE_CHARS } from "@talknow/protocol";
import { STATIC_TABLE } from "@talknow/protocol/words";
import { Cursor, Unreadable } from "./cursor.ts";

/** The frame says something that cannot be: a keyframe is needed. */
export class BadFrame extends Unreadable {}

const SHORT = 24;

export class Reader {
  private cursor = new Cursor(new Uint8Array(0));
  private left = 0;
  private last = 0;
  private table: string[] = [...STATIC_TABLE];
  /** A keyframe's literals do not join the table: it came whole. */
  joins = true;
  private readonly utf8 = new TextDecoder();

  /** Returns the frame's seq. */
  begin(bytes: Uint8Array): number {
    this.cursor = new Cursor(bytes);
    this.last = 0;
    this.joins = true;
    const items = this.cursor.listLength(this.cursor.head());
    if (items === null) throw new BadFrame("frame");
    this.left = items;
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
    const value = this.cursor.number(this.next());
    if (value === null) throw new BadFrame("number");
    return value;
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
    const head = this.peek;
    if (head === 0) {
      this.next();
      return null;
    }
    return this.slot();
  }

  slot(): string {
    const head = this.peek;
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
    const length = this.cursor.textLength(this.next());
    if (length === null) throw new BadFrame("text");
    const bytes = this.cursor.take(length);
    return length <= SHORT ? this.short(bytes) : this.utf8.decode(bytes);
  }

  binary(): Uint8Array {
    const length = this.cursor.binaryLength(this.next());
    if (length === null) throw new BadFrame("binary");
    return this.cursor.take(length).slice();
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

  private short(bytes: Uint8Array): string {
    let text = "";
    for (const byte of bytes) {
      if (byte > 127) return this.utf8.decode(bytes);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  private get peek(): number {
    return this.cursor.bytes[this.cursor.at] ?? 0xc1;
  }

  private next(): number {
    this.left -= 1;
    if (this.left < 0) throw new BadFrame("end");
    return this.cursor.head();
  }
}
