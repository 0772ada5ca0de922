import { MemoryStore, TalkError } from "@talknow/client";
import type { SessionReply, SessionRequest } from "@talknow/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { liveKey, subjectOf, Visitor } from "../src/visitor.ts";

const tokenOf = (sub: string, jti = "1") => `h.${btoa(JSON.stringify({ sub, jti })).replaceAll("=", "")}.s`;

let store: MemoryStore;
let requests: SessionRequest[];
let faults: string[];
let answer: (request: SessionRequest) => SessionReply;

function visitor(): Visitor {
  return new Visitor({
    site: "demo",
    store,
    onFault: (code) => faults.push(code),
    api: {
      session: async (request) => {
        requests.push(request);
        return answer(request);
      },
    },
  });
}

beforeEach(() => {
  store = new MemoryStore();
  requests = [];
  faults = [];
  answer = ({ token }) => ({
    credential: `credential ${requests.length}`,
    visitor: "v_1",
    name: "",
    verified: token !== undefined && token !== null,
    expires_ms: Date.now() + 60_000,
  });
});

describe("visitor", () => {
  it("asks once and keeps the credential for the next page", async () => {
    const first = visitor();
    expect(await Promise.all([first.credential(), first.credential()])).toEqual([
      "credential 1",
      "credential 1",
    ]);
    expect(await visitor().credential()).toBe("credential 1");
    expect(requests).toEqual([{ site: "demo" }]);
  });

  it("keeps one credential per subject, and goes on as that subject on pages without a token", async () => {
    const anna = visitor();
    expect(anna.setToken(tokenOf("anna"))).toBe(true);
    await anna.credential();
    const later = visitor();
    expect(later.setToken(null)).toBe(false);
    expect(await later.credential()).toBe("credential 1");
    expect(later.setToken(tokenOf("bo"))).toBe(true);
    expect(await later.credential()).toBe("credential 2");
    expect(later.setToken(tokenOf("bo", "2"))).toBe(false);
  });

  describe("who signs in", () => {
    const live = liveKey("demo");
    const later = {
      credential: "of v_2",
      visitor: "v_2",
      name: "",
      verified: true,
      expires_ms: Date.now() + 60_000,
    };

    /** Began anonymously, and has a token now. */
    const signing = async () => {
      await visitor().credential();
      store.setItem(live, "v_1");
      const anna = visitor();
      anna.setToken(tokenOf("anna"));
      return anna;
    };

    it("goes on as who it was while something goes on", async () => {
      const anna = await signing();
      expect([anna.signsIn, anna.known]).toEqual([true, null]);
      await anna.credential();
      expect(requests.at(-1)).toEqual({ site: "demo", credential: "credential 1", token: tokenOf("anna") });
      expect([anna.signsIn, anna.known?.visitor]).toEqual([false, "v_1"]);
      expect(store.keys().includes("talknow:visitor:demo:")).toBe(false);
    });

    it("is found again by the next token once that is over", async () => {
      const anna = await signing();
      await anna.credential();
      store.removeItem(live);
      answer = () => later;
      const next = visitor();
      next.setToken(tokenOf("anna", "2"));
      expect(await next.credential()).toBe("of v_2");
      expect(requests.at(-1)).toEqual({ site: "demo", token: tokenOf("anna", "2") });
      expect(await visitor().credential()).toBe("of v_2");
    });

    it("stays who it is on the page where that ends, and when the next token is refused", async () => {
      const anna = await signing();
      await anna.credential();
      store.removeItem(live);
      expect(anna.known?.visitor).toBe("v_1");
      await anna.credential(true);
      expect(requests.at(-1)?.credential).toBe("credential 2");
      const plain = answer;
      answer = (request) => {
        if (request.token) throw new TalkError("token_replayed");
        return plain(request);
      };
      const next = visitor();
      next.setToken(tokenOf("anna"));
      await next.credential();
      expect(requests.at(-1)).toEqual({ site: "demo", credential: "credential 3" });
    });

    it("is another visitor when nothing goes on, or something of another one", async () => {
      await visitor().credential();
      for (const of of [null, "v_9"]) {
        if (of !== null) store.setItem(live, of);
        const anna = visitor();
        anna.setToken(tokenOf(`anna ${of}`));
        expect(anna.signsIn).toBe(false);
        await anna.credential();
        expect(requests.at(-1)).toEqual({ site: "demo", token: tokenOf(`anna ${of}`) });
      }
    });
  });

  it("is not interrupted by a token that ran out", async () => {
    const anna = visitor();
    anna.setToken(tokenOf("anna"));
    await anna.credential();
    answer = ({ token }) => {
      if (token) throw new TalkError("invalid_token");
      return {
        credential: "again",
        visitor: "v_1",
        name: "",
        verified: true,
        expires_ms: Date.now() + 60_000,
      };
    };
    expect(await anna.credential(true)).toBe("again");
    expect(requests.at(-1)).toEqual({ site: "demo", credential: "credential 1" });
    expect(faults).toEqual([]);
  });

  it("tells the page about a refused token and goes on as nobody", async () => {
    const anna = visitor();
    anna.setToken(tokenOf("anna"));
    const plain = answer;
    answer = (request) => {
      if (request.token) throw new TalkError("token_replayed");
      return plain(request);
    };
    await anna.credential();
    expect(faults).toEqual(["token_replayed"]);
  });

  it("forgets everything of the site at sign-out, and nothing of other sites", async () => {
    store.setItem("talknow:visitor:other:", "{}");
    const anna = visitor();
    anna.setToken(tokenOf("anna"));
    await anna.credential();
    anna.clear();
    expect(store.keys()).toEqual(["talknow:visitor:other:"]);
    expect(anna.known).toBeNull();
  });

  it("reads the subject of a token, and nothing out of what is none", () => {
    expect(subjectOf(tokenOf("customer-4711"))).toBe("customer-4711");
    expect([null, "", "x", "a.b.c", `a.${btoa("[]")}.c`].map(subjectOf)).toEqual(["", "", "", "", ""]);
  });
});
