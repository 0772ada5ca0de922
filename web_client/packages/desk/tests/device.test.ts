import { expect, test } from "vitest";
import { deviceInWords } from "../src/device.ts";

const CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0";
const SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0";

test("a device is named by kind, system and browser", () => {
  const named: [string, boolean, string][] = [
    [
      `Mozilla/5.0 (Linux; Android 14; Pixel 8) ${CHROME} Mobile Safari/537.36`,
      true,
      "Phone (Android, Chrome)",
    ],
    [`Mozilla/5.0 (Linux; Android 14; SM-X910) ${CHROME} Safari/537.36`, true, "Tablet (Android, Chrome)"],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) ${SAFARI} Mobile/1 Safari/1`,
      true,
      "Phone (iOS, Safari)",
    ],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${SAFARI} Safari/1`, true, "Tablet (iOS, Safari)"],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${SAFARI} Safari/1`, false, "Computer (macOS, Safari)"],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64) ${CHROME} Safari/537.36 Edg/156.0`,
      false,
      "Computer (Windows, Edge)",
    ],
    [
      "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
      false,
      "Computer (Linux, Firefox)",
    ],
  ];
  for (const [userAgent, touch, words] of named) expect(deviceInWords(userAgent, touch)).toBe(words);
});

test("what says nothing of itself is a computer", () => {
  expect(deviceInWords("", false)).toBe("Computer");
});
