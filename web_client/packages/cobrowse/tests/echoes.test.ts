import { describe, expect, it } from "vitest";
import { Echoes } from "../src/recorder/echoes.ts";

const DOTS = "\u2022".repeat(8);
const told = (values: string[], text: string) => {
  const echoes = new Echoes();
  for (const value of values) echoes.add(value);
  return echoes.mask(text, () => DOTS);
};

describe("echoes of hidden values", () => {
  it("are hidden inside other texts, whatever the case", () => {
    expect(told(["Secret Name"], "Hello secret name, welcome")).toBe(`Hello ${"\u2022".repeat(11)}, welcome`);
  });
  it("are hidden as they began while they were typed", () => {
    const typed = ["m", "ma", "mai", "maid", "maide", "maiden"];
    expect(told(typed, "'maide' is too short")).toBe("'\u2022\u2022\u2022\u2022\u2022' is too short");
    expect(told(typed, " ma ")).toBe(DOTS);
  });
  it("are hidden after some of it was taken away again", () => {
    expect(told(["maiden", "maide", "maid"], "it was maiden")).toBe(
      "it was \u2022\u2022\u2022\u2022\u2022\u2022",
    );
  });
  it("are hidden as numbers with separators", () => {
    expect(told(["1234567"], "you pay 1,234,567 now")).toBe(
      "you pay \u2022\u2022\u2022\u2022\u2022\u2022\u2022\u2022\u2022 now",
    );
    expect(told(["1 234 567"], "1234567!")).toBe("\u2022\u2022\u2022\u2022\u2022\u2022\u2022!");
    expect(told(["1234567"], "12 apples")).toBe("12 apples");
  });
  it("leave other texts alone", () => {
    expect(told(["secret"], "nothing of that")).toBe("nothing of that");
  });
  it("are hidden as a whole where lower case has another length", () => {
    expect(told(["secret"], "\u0130 secret")).toBe(DOTS);
    expect(told(["secret"], "\u0130 open")).toBe("\u0130 open");
  });
  it("are hidden where one begins inside another", () => {
    expect(told(["anna maria", "maria berg"], "anna maria berg!")).toBe(`${"\u2022".repeat(15)}!`);
    expect(told(["12345678", "56789999"], "1234 5678 9999")).toBe("\u2022".repeat(14));
  });
  it("are all remembered on a page with thousands of filled fields", () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `${n * 7_919} a value that is long`);
    for (const name of [names[0], names[2_500], names[4_999]])
      expect(told(names, `Dear ${name}`)).toBe(`Dear ${"\u2022".repeat(name?.length ?? 0)}`);
  });
  it("keep the newest when there are too many", () => {
    const names = Array.from({ length: 21_000 }, (_, n) => `${n * 7_919}-a-value-that-is-long`);
    expect(told([...names, "anna"], "Dear Anna")).not.toContain("Anna");
    expect(told([...names, "anna", "berta-maria-von"], "Dear Anna")).not.toContain("Anna");
    expect(told(["anna", ...names], "Dear Anna")).toContain("Anna");
  });
});
