import { expect, test } from "vitest";
import { wordsFor } from "../src/viewer/badges.ts";
import { DESK, type Device, mediaFor, safeCss } from "../src/viewer/css.ts";

const EVIL = "//evil.example";
const ours = (name: string) => (name.startsWith("#") ? name : name === "asset:7" ? "/a/x/7" : "");
const safe = (css: string, device: Device = DESK) => safeCss(css, ours, device);

test("no way of writing an address gets past", () => {
  const tricks = [
    `a{b:url(${EVIL})}`,
    `a{b:\\75 rl(${EVIL})}`,
    `a{b:u\\rl(${EVIL})}`,
    `a{b:\\000075RL("${EVIL}")}`,
    `a{b:url(  '${EVIL}' )}`,
    `a{b:src("${EVIL}")}`,
    `a{b:image-set("${EVIL}" 1x, '${EVIL}' 2x)}`,
    `a{b:-webkit-image-set(url(${EVIL}) 1x)}`,
    `a{b:cross-fade(url(${EVIL}), red)}`,
    `@import "${EVIL}";`,
    `@\\69mport url(${EVIL});`,
    `@import url("${EVIL};") screen;`,
    `@namespace url(${EVIL});`,
    `@media /*{"*/ screen{a{b:url(${EVIL})}}"`,
    `a{c:"\\\r\n";b:url(${EVIL})}`,
    `a{c:"x\nb:url(${EVIL})}`,
    `a{b:1.url(${EVIL})}`,
    `a{--x:url(${EVIL});b:var(--x)}`,
    `a{b:url(${EVIL}`,
    `a{color-scheme:light dark "; b:url(${EVIL})`,
  ];
  for (const css of tricks) {
    const clean = safe(css).replace(/"(?:[^"\\]|\\[\s\S])*"/g, "");
    expect(clean, css).not.toContain("evil");
  }
});

test("what we have is shown, and what asks nobody stays as it is", () => {
  expect(safe("a{b:url(asset:7)}")).toBe('a{b:url("/a/x/7")}');
  expect(safe('a{b:image-set(url("asset:7") 2x)}')).toBe('a{b:image-set(url("/a/x/7") 2x)}');
  expect(safe("a{fill:url(#g)}")).toBe('a{fill:url("#g")}');
  for (const css of [
    ".w-\\[calc\\(100\\%-1rem\\)\\] { width: 1px }",
    ".\\32 xl\\:grid { display: grid }",
    '.q::before { content: "\\201c url(x) \\"" }',
    "transform: translate(1.5px, -2e3px) rotate(.5turn)",
    "@font-face { unicode-range: U+26, U+0-7F }",
    "a > b ~ c + d::after { margin: -1px }",
  ])
    expect(safe(css)).toBe(css);
});

test("a style sheet's questions about the device are answered as on the visitor's", () => {
  const phone = { dark: true, touch: true, calm: true };
  const yes = "(min-width:0)";
  const no = "(max-width:0)";
  expect(mediaFor("screen and (prefers-color-scheme: dark)", phone)).toBe(`screen and ${yes}`);
  expect(mediaFor("(prefers-color-scheme:light)", phone)).toBe(no);
  expect(mediaFor("(hover: none) and (pointer: coarse)", phone)).toBe(`${yes} and ${yes}`);
  expect(mediaFor("(hover) and (any-pointer: fine)", DESK)).toBe(`${yes} and ${yes}`);
  expect(mediaFor("(prefers-reduced-motion)", phone)).toBe(yes);
  expect(mediaFor("(prefers-reduced-motion: no-preference)", DESK)).toBe(yes);
  expect(mediaFor("(max-device-width: 600px)", DESK)).toBe("(max-width: 600px)");
  expect(safe("@media (prefers-color-scheme: dark) { a { b: c } }", phone)).toBe(
    `@media ${yes} { a { b: c } }`,
  );
  expect(safe("a{color-scheme: light dark}", phone)).toBe("a{color-scheme:dark}");
  expect(safe("a{color-scheme: light dark}")).toBe("a{color-scheme:light}");
});

test("elements made by scripts count as defined", () => {
  expect(safe("x-y:not(:defined){display:none}")).toBe("x-y:not(:not(.tn-never)){display:none}");
});

test("what plays is told in words", () => {
  expect(wordsFor({ paused: true, muted: true, at_s: 75.5, rate: 1 }, 0)).toBe("Paused 1:15, muted");
  expect(wordsFor({ paused: false, muted: false, at_s: 3_599, rate: 2 }, 1)).toBe("Playing 1:00:01, 2×");
});
