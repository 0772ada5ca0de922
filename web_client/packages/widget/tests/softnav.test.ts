import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isSoft, SoftNavigation } from "../src/softnav.ts";

const HTML = { "Content-Type": "text/html; charset=utf-8" };
let pages: Record<string, () => Response | Promise<Response>>;
let left: string[];
let said: string[];
let active: boolean;
let soft: SoftNavigation;

function page(title: string, body: string, head = ""): () => Response {
  return () =>
    new Response(
      `<!doctype html><html lang="no"><head><title>${title}</title>${head}</head><body class="b">${body}</body></html>`,
      { headers: HTML },
    );
}

function link(html: string): HTMLAnchorElement {
  const box = document.createElement("div");
  box.innerHTML = html;
  document.body.append(box);
  return box.querySelector("a") as HTMLAnchorElement;
}

beforeEach(() => {
  location.href = "https://bank.example/index.html";
  document.body.innerHTML = '<main>old</main><talk-now id="mine"></talk-now>';
  pages = {};
  left = [];
  said = [];
  active = true;
  vi.stubGlobal("fetch", async (url: string) => {
    const found = pages[new URL(url).pathname];
    const answer = found ? await found() : new Response("", { status: 404, headers: HTML });
    Object.defineProperty(answer, "url", { value: answer.headers.get("X-At") ?? url });
    return answer;
  });
  soft = new SoftNavigation({
    active: () => active,
    shown: (title) => said.push(title),
    loader: "https://talk.example/talknow.js",
    leave: (url) => left.push(url),
  });
});
afterEach(() => {
  soft.stop();
  vi.unstubAllGlobals();
});

describe("which links", () => {
  it("are this site's other pages, in this tab", () => {
    expect(isSoft(link('<a href="/loan.html">x</a>'))).toBe(true);
    for (const html of [
      '<a href="https://other.example/">x</a>',
      '<a href="#part">x</a>',
      '<a href="/loan.html" target="_blank">x</a>',
      '<a href="/paper.pdf" download>x</a>',
      '<a href="/loan.html" data-talknow-reload>x</a>',
      '<a href="mailto:a@bank.example">x</a>',
    ])
      expect(isSoft(link(html)), html).toBe(false);
  });

  it("are left alone with a modifier key, and when there is no call", async () => {
    pages["/loan.html"] = page("Loan", "<main>loan</main>");
    const anchor = link('<a href="/loan.html">x</a>');
    const click = (init: MouseEventInit) => {
      const event = new MouseEvent("click", { bubbles: true, cancelable: true, composed: true, ...init });
      let taken = false;
      const last = (seen: Event) => {
        taken = seen.defaultPrevented;
        seen.preventDefault();
      };
      addEventListener("click", last, { once: true });
      anchor.dispatchEvent(event);
      return taken;
    };
    expect(click({ ctrlKey: true })).toBe(false);
    active = false;
    expect(click({})).toBe(false);
    active = true;
    expect(click({})).toBe(true);
    await vi.waitFor(() => expect(said).toEqual(["Loan"]));
  });
});

describe("a soft visit", () => {
  it("swaps title, language, body and history, and leaves the widget where it is", async () => {
    const mine = document.getElementById("mine");
    pages["/loan.html"] = page("Loan", "<main>loan</main><talk-now>theirs</talk-now>");
    const seen: string[] = [];
    document.addEventListener("talknow:navigated", () => seen.push(document.title), { once: true });
    expect(await soft.visit("https://bank.example/loan.html?a=1")).toBe(true);
    expect(document.getElementById("mine")).toBe(mine);
    expect(document.querySelectorAll("talk-now")).toHaveLength(1);
    expect(document.querySelector("main")?.textContent).toBe("loan");
    expect([document.title, document.documentElement.lang, document.body.className]).toEqual([
      "Loan",
      "no",
      "b",
    ]);
    expect(location.pathname + location.search).toBe("/loan.html?a=1");
    expect(seen).toEqual(["Loan"]);
    expect(left).toEqual([]);
  });

  it("loads new head elements once and drops those of the page before", async () => {
    document.head.innerHTML = '<meta name="description" content="old"><script src="/site.js"></script>';
    const head =
      '<meta name="description" content="new"><script src="/site.js"></script><script src="/loan.js"></script>';
    pages["/loan.html"] = page("Loan", "<main>loan</main>", head);
    await soft.visit("https://bank.example/loan.html");
    const metas = [...document.head.querySelectorAll("meta[name=description]")];
    expect(metas.map((node) => node.getAttribute("content"))).toEqual(["new"]);
    const scripts = [...document.head.querySelectorAll("script")].map((node) => node.getAttribute("src"));
    expect(scripts).toEqual(["/site.js", "https://bank.example/loan.js"]);
  });

  it("resolves what is relative against the new page, in another folder and with a base", async () => {
    const head = '<link rel="icon" href="deep.ico"><link rel="icon" href="../old.ico">';
    document.head.innerHTML = '<link rel="icon" href="old.ico">';
    const old = document.head.querySelector("link");
    pages["/deep/page.html"] = page("Deep", '<main><img src="pic.png"></main>', head);
    await soft.visit("https://bank.example/deep/page.html");
    const icons = [...document.head.querySelectorAll("link")];
    expect(icons.map((icon) => icon.getAttribute("href"))).toEqual([
      "old.ico",
      "https://bank.example/deep/deep.ico",
    ]);
    expect(icons[0]).toBe(old);
    expect(document.querySelector("img")?.src).toBe("https://bank.example/deep/pic.png");
    pages["/with/base.html"] = page(
      "Base",
      "<main></main>",
      '<base href="/files/"><link rel="icon" href="a.ico">',
    );
    await soft.visit("https://bank.example/with/base.html");
    expect(document.head.querySelector("link")?.getAttribute("href")).toBe(
      "https://bank.example/files/a.ico",
    );
    pages["/plain.html"] = page("Plain", "<main></main>");
    await soft.visit("https://bank.example/plain.html");
    expect(document.querySelector("base")).toBeNull();
  });

  it("runs the page's own scripts again, with the nonce of the page that was loaded, but not our loader", async () => {
    const ours = document.createElement("script");
    ours.setAttribute("nonce", "n-1");
    ours.nonce = "n-1";
    document.head.replaceChildren(ours);
    const loader = '<script src="https://talk.example/talknow.js"></script>';
    pages["/loan.html"] = page("Loan", `<main></main><script nonce="n-2">window.ran = 1</script>${loader}`);
    const made = vi.spyOn(document, "createElement");
    await soft.visit("https://bank.example/loan.html");
    const scripts = made.mock.results.map(({ value }) => value as HTMLScriptElement);
    expect(scripts.filter((one) => one.localName === "script").map((one) => [one.nonce, one.src])).toEqual([
      ["n-1", ""],
    ]);
    made.mockRestore();
  });

  it("leaves where Trusted Types refuse the policy", async () => {
    vi.resetModules();
    vi.stubGlobal("trustedTypes", {
      createPolicy: () => {
        throw new TypeError("refused");
      },
    });
    const fresh = await import("../src/softnav.ts");
    const strict = new fresh.SoftNavigation({
      active: () => true,
      shown: () => undefined,
      loader: "",
      leave: (url) => left.push(url),
    });
    pages["/loan.html"] = page("Loan", "<main>loan</main>");
    expect(await strict.visit("https://bank.example/loan.html")).toBe(false);
    strict.stop();
    expect(left).toEqual(["https://bank.example/loan.html"]);
    expect(document.querySelector("main")?.textContent).toBe("old");
  });

  it("moves the focus to the new page's main part", async () => {
    pages["/loan.html"] = page("Loan", "<main>loan</main>");
    await soft.visit("https://bank.example/loan.html");
    expect(document.activeElement?.localName).toBe("main");
  });

  it("falls back to a normal navigation for anything that is not a page of the site", async () => {
    pages["/paper"] = () => new Response("%PDF", { headers: { "Content-Type": "application/pdf" } });
    pages["/elsewhere"] = () => new Response("", { headers: { ...HTML, "X-At": "https://other.example/" } });
    pages["/broken"] = () => Promise.reject(new TypeError("network"));
    for (const path of ["/paper", "/missing", "/elsewhere", "/broken"])
      expect(await soft.visit(`https://bank.example${path}`)).toBe(false);
    expect(left.map((url) => new URL(url).pathname)).toEqual(["/paper", "/missing", "/elsewhere", "/broken"]);
    expect(document.querySelector("main")?.textContent).toBe("old");
  });

  it("can be refused by the site, and gives way to a later one", async () => {
    document.addEventListener("talknow:navigate", (event) => event.preventDefault(), { once: true });
    pages["/loan.html"] = page("Loan", "<main>loan</main>");
    expect(await soft.visit("https://bank.example/loan.html")).toBe(false);
    expect(left).toEqual([]);
    let answer: (response: Response) => void = () => undefined;
    pages["/slow.html"] = () => new Promise((resolve) => (answer = resolve));
    const slow = soft.visit("https://bank.example/slow.html");
    expect(await soft.visit("https://bank.example/loan.html")).toBe(true);
    answer(page("Slow", "<main>slow</main>")());
    expect(await slow).toBe(false);
    expect(document.querySelector("main")?.textContent).toBe("loan");
    expect(left).toEqual([]);
  });
});
