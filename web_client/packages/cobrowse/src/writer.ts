/**
 * Writes one frame after another as flat msgpack arrays, straight into bytes, and keeps the stream's string table.
 *
 * It knows integers, strings and references; what an op means is its callers' business.
 * Source: docs/cobrowse_wire.md, section 2; the MessagePack specification.
 */
import { FIRST_OWN, MAX_TABLE, MAX_TABLE_CHARS } from "@talknow/protocol";
import { STATIC_TABLE } from "@talknow/protocol/words";

const HEADER = 5;
const SHORT = 64;
const MAX_INT = 2 ** 31;

export class Writer {
  /** Values written since `begin`. */
  count = 0;
  private bytes = new Uint8Array(16_384);
  private view = new DataView(this.bytes.buffer);
  private at = HEADER;
  private last = 0;
  private readonly fixed = new Map<string, number>(STATIC_TABLE.map((text, index) => [text, index]));
  /** The fixed entries and the stream's own. */
  private table: Map<string, number>;
  private own = 0;
  private readonly utf8 = new TextEncoder();

  constructor() {
    this.fixed.delete("");
    this.table = new Map(this.fixed);
  }

  begin(seq: number): void {
    this.at = HEADER;
    this.count = 0;
    this.last = 0;
    this.int(seq);
  }

  /** The frame, in bytes of its own. */
  end(): Uint8Array<ArrayBuffer> {
    const { view, count } = this;
    let from = HEADER;
    if (count < 16) {
      from -= 1;
      view.setUint8(from, 0x90 | count);
    } else if (count < 65_536) {
      from -= 3;
      view.setUint8(from, 0xdc);
      view.setUint16(from + 1, count);
    } else {
      from -= 5;
      view.setUint8(from, 0xdd);
      view.setUint32(from + 1, count);
    }
    return this.bytes.slice(from, this.at);
  }

  /** SNAP: both ends forget their own entries. */
  forgetTable(): void {
    this.table = new Map(this.fixed);
    this.own = 0;
  }

  int(value: number): void {
    if (this.at + 9 > this.bytes.length) this.grow(9);
    this.count += 1;
    const { bytes } = this;
    if (value >= 0) {
      if (value < 128) {
        bytes[this.at++] = value;
      } else if (value < 256) {
        bytes[this.at++] = 0xcc;
        bytes[this.at++] = value;
      } else if (value < 65_536) {
        bytes[this.at++] = 0xcd;
        bytes[this.at++] = value >>> 8;
        bytes[this.at++] = value & 255;
      } else {
        bytes[this.at] = 0xce;
        this.view.setUint32(this.at + 1, value);
        this.at += 5;
      }
    } else if (value >= -32) {
      bytes[this.at++] = value & 255;
    } else if (value >= -128) {
      bytes[this.at++] = 0xd0;
      bytes[this.at++] = value & 255;
    } else if (value >= -32_768) {
      bytes[this.at++] = 0xd1;
      bytes[this.at++] = (value >> 8) & 255;
      bytes[this.at++] = value & 255;
    } else {
      bytes[this.at] = 0xd2;
      this.view.setInt32(this.at + 1, value);
      this.at += 5;
    }
  }

  /** A page's own number (a coordinate): rounded, and 0 for what is none. */
  whole(value: number): void {
    const rounded = Math.round(value);
    this.int(rounded > -MAX_INT && rounded < MAX_INT ? rounded : 0);
  }

  float(value: number): void {
    if (Number.isInteger(value)) {
      this.whole(value);
      return;
    }
    if (this.at + 9 > this.bytes.length) this.grow(9);
    this.count += 1;
    this.bytes[this.at] = 0xcb;
    this.view.setFloat64(this.at + 1, Number.isFinite(value) ? value : 0);
    this.at += 9;
  }

  ref(id: number): void {
    this.int(id - this.last);
    this.last = id;
  }

  /** A string of the table, or a literal that joins it when it is short. */
  slot(text: string): void {
    const known = this.table.get(text);
    if (known !== undefined) {
      this.int(known);
      return;
    }
    this.text(text);
    if (text.length <= MAX_TABLE_CHARS && this.own < MAX_TABLE) {
      this.table.set(text, FIRST_OWN + this.own);
      this.own += 1;
    }
  }

  text(text: string): void {
    const length = text.length;
    if (length > SHORT) {
      this.longText(text);
      return;
    }
    if (this.at + length * 3 + 5 > this.bytes.length) this.grow(length * 3 + 5);
    const { bytes } = this;
    const head = length < 32 ? 1 : 2;
    let at = this.at + head;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 127) {
        this.longText(text);
        return;
      }
      bytes[at++] = code;
    }
    if (head === 1) {
      bytes[this.at] = 0xa0 | length;
    } else {
      bytes[this.at] = 0xd9;
      bytes[this.at + 1] = length;
    }
    this.at = at;
    this.count += 1;
  }

  binary(data: Uint8Array): void {
    if (this.at + data.length + 5 > this.bytes.length) this.grow(data.length + 5);
    this.count += 1;
    this.bytes[this.at] = 0xc6;
    this.view.setUint32(this.at + 1, data.length);
    this.bytes.set(data, this.at + 5);
    this.at += 5 + data.length;
  }

  private longText(text: string): void {
    const room = text.length * 3 + 5;
    if (this.at + room > this.bytes.length) this.grow(room);
    const head = text.length * 3 < 65_536 ? 3 : 5;
    const { written } = this.utf8.encodeInto(text, this.bytes.subarray(this.at + head));
    this.bytes[this.at] = head === 3 ? 0xda : 0xdb;
    if (head === 3) this.view.setUint16(this.at + 1, written);
    else this.view.setUint32(this.at + 1, written);
    this.at += head + written;
    this.count += 1;
  }

  private grow(room: number): void {
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + room + 1_024));
    bigger.set(this.bytes);
    this.bytes = bigger;
    this.view = new DataView(bigger.buffer);
  }
}
