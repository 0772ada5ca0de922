import { FIRST_OWN } from "@talknow/protocol";
import { describe, expect, it } from "vitest";
import { pack, unpack, type Value } from "../src/msgpack.ts";
import { BadFrame, Reader } from "../src/reader.ts";
import { Writer } from "../src/writer.ts";

describe("messages beside the stream", () => {
  it("come out as they went in", () => {
    const values: Value[] = [
      0,
      127,
      128,
      -1,
      -33,
      70_000,
      -70_000,
      0.5,
      "",
      "\u00e9".repeat(40),
      true,
      false,
      null,
    ];
    const whole: Value = [...values, [1, [2, []]], { a: 1, b: { c: "d" } }, new Uint8Array([1, 2, 3])];
    expect(unpack(pack(whole))).toEqual(whole);
  });

  it("are refused when they end early, nest too deep or say what is not there", () => {
    const good = pack([1, "two", [3]]);
    for (let length = 0; length < good.length; length += 1)
      expect(() => unpack(good.slice(0, length))).toThrow();
    let deep: Value = [];
    for (let level = 0; level < 40; level += 1) deep = [deep];
    expect(() => unpack(pack(deep))).toThrow();
    expect(() => unpack(Uint8Array.of(0xdd, 255, 255, 255, 255))).toThrow();
  });
});

describe("frames", () => {
  it("keep both ends' string tables in step", () => {
    const [writer, reader] = [new Writer(), new Reader()];
    const texts = ["div", "mine", "x".repeat(33), "mine", "\ud83d\ude00"];
    for (let seq = 1; seq < 4; seq += 1) {
      writer.begin(seq);
      for (const text of texts) writer.slot(text);
      writer.ref(7);
      writer.ref(5);
      writer.float(1.5);
      expect(reader.begin(writer.end())).toBe(seq);
      expect(texts.map(() => reader.slot())).toEqual(texts);
      expect([reader.ref(), reader.ref(), reader.number(), reader.more]).toEqual([7, 5, 1.5, false]);
    }
    writer.begin(4);
    writer.slot("mine");
    expect([...writer.end()].slice(-2)).toEqual([0xcc, FIRST_OWN]);
  });

  it("raise one kind of fault for whatever is wrong", () => {
    const writer = new Writer();
    writer.begin(1);
    writer.text("words");
    const good = writer.end();
    for (let length = 0; length < good.length; length += 1) {
      const reader = new Reader();
      expect(() => {
        reader.begin(good.slice(0, length));
        reader.text();
      }).toThrow();
    }
    const reader = new Reader();
    reader.begin(good);
    expect(() => reader.int()).toThrow(BadFrame);
  });
});
