/** A place in the bytes of a MessagePack message: numbers, lengths, raw bytes. Both readers stand on it. */

/** The message is not what it should be. */
export class Unreadable extends Error {}

export class Cursor {
  at = 0;
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  head(): number {
    if (this.at >= this.bytes.length) throw new Unreadable("end");
    return this.bytes[this.at++] as number;
  }

  /** The number that begins with `head`, or null when no number does. */
  number(head: number): number | null {
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 256;
    const { view } = this;
    switch (head) {
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
      default:
        return null;
    }
  }

  /** An unsigned int of 1, 2 or 4 bytes (kind 0, 1, 2). */
  size(kind: number): number {
    if (kind === 0) return this.view.getUint8(this.skip(1));
    return kind === 1 ? this.view.getUint16(this.skip(2)) : this.view.getUint32(this.skip(4));
  }

  /** How long the string that begins with `head` is, or null when no string does. */
  textLength(head: number): number | null {
    if (head >= 0xa0 && head < 0xc0) return head & 31;
    return head >= 0xd9 && head <= 0xdb ? this.size(head - 0xd9) : null;
  }

  /** How long the bytes that begin with `head` are, or null. */
  binaryLength(head: number): number | null {
    return head >= 0xc4 && head <= 0xc6 ? this.size(head - 0xc4) : null;
  }

  /** How many items the array that begins with `head` has, or null. */
  listLength(head: number): number | null {
    if (head >= 0x90 && head < 0xa0) return head & 15;
    return head === 0xdc || head === 0xdd ? this.size(head - 0xdb) : null;
  }

  /** Go on by so many bytes; returns where they begin. */
  skip(bytes: number): number {
    const from = this.at;
    this.at += bytes;
    if (this.at > this.bytes.length) throw new Unreadable("end");
    return from;
  }

  take(length: number): Uint8Array {
    const from = this.skip(length);
    return this.bytes.subarray(from, from + length);
  }
}
