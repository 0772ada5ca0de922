import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SharedPage } from "../src/recorder/index.ts";
import { Control } from "../src/together/control.ts";

let control: Control;
let shown: Element;
const page: SharedPage = {
  nodeOf: () => shown,
  idOf: () => 7,
  isMasked: () => false,
  changedSince: () => false,
  send: () => undefined,
  on: () => () => undefined,
};

function click(html: string, selector: string, kinds: readonly string[] = ["click"]): string {
  document.body.innerHTML = html;
  shown = document.querySelector(selector) as Element;
  shown.addEventListener("click", (event) => event.preventDefault());
  const grant = { id: "g", kinds: kinds as never, origin: location.origin, expiresMs: 0 };
  control = new Control(page, { grant: () => grant, revoke: () => undefined, acted: () => undefined });
  return control.perform(["g", 1, 7, "click", 0.5, 0.5]);
}

describe("where an agent's click may lead", () => {
  beforeEach(() => {
    document.body.innerHTML = "";
  });
  afterEach(() => control.stop());

  it("is nowhere for a button of the page", () => {
    expect(click("<button type=button id=b>Go</button>", "#b")).toBe("ok");
  });

  it("is another page only with the grant to go there", () => {
    expect(click("<a id=b href='/next'>Next</a>", "#b")).toBe("control_not_granted");
    expect(click("<a id=b href='/next'>Next</a>", "#b", ["click", "navigate"])).toBe("ok");
  });

  it("is never another site: by a link, a link around, a drawing's link or a form", () => {
    const all = ["click", "navigate"];
    expect(click("<a href='https://evil.example/'><b id=b>x</b></a>", "#b", all)).toBe(
      "control_forbidden_target",
    );
    expect(click("<svg><a xlink:href='https://evil.example/'><text id=b>x</text></a></svg>", "#b", all)).toBe(
      "control_forbidden_target",
    );
    expect(click("<form action='https://evil.example/'><button id=b>Send</button></form>", "#b", all)).toBe(
      "control_forbidden_target",
    );
    expect(
      click(
        "<form action='/here'><button id=b formaction='//evil.example/x'>Send</button></form>",
        "#b",
        all,
      ),
    ).toBe("control_forbidden_target");
  });

  it("sees the link that a shadow root lies in", () => {
    document.body.innerHTML = "<a href='https://evil.example/'><x-b></x-b></a>";
    const root = (document.querySelector("x-b") as Element).attachShadow({ mode: "open" });
    root.innerHTML = "<i>inside</i>";
    shown = root.querySelector("i") as Element;
    const grant = { id: "g", kinds: ["click"] as never, origin: location.origin, expiresMs: 0 };
    control = new Control(page, { grant: () => grant, revoke: () => undefined, acted: () => undefined });
    expect(control.perform(["g", 1, 7, "click", 0.5, 0.5])).toBe("control_forbidden_target");
  });

  it("is where the form of this page goes", () => {
    expect(click("<form action='/send'><button id=b>Send</button></form>", "#b")).toBe("ok");
  });
});
