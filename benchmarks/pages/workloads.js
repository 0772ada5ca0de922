// The pages and workloads of `talknow bench cobrowse`: the same for every recorder, seeded, no clock but frames.
(() => {
  let seed = 1;
  const random = (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const WORDS = "account balance card charge city client credit date delivery due fee figure home invoice item".split(" ");
  const words = (count) => Array.from({ length: count }, () => WORDS[random(WORDS.length)]).join(" ");
  const make = (tag, props = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const style = (text) => document.head.append(make("style", {}, text));

  const form = (fields) =>
    make(
      "form",
      { class: "form" },
      ...Array.from({ length: fields }, (_, n) =>
        make(
          "div",
          { class: "row" },
          make("label", { for: `f${n}`, class: "label" }, words(2)),
          make("input", { id: `f${n}`, class: "input wide", placeholder: words(2), type: "text" }),
          make("small", { class: "hint" }, words(4)),
        ),
      ),
    );
  const panel = () =>
    make(
      "section",
      { class: "panel panel-default" },
      make("header", { class: "panel-head" }, make("h2", { class: "title" }, words(3))),
      make(
        "div",
        { class: "panel-body" },
        ...Array.from({ length: 9 }, () =>
          make("div", { class: "tile" }, make("b", { class: "figure" }, String(random(900))), make("span", {}, words(2))),
        ),
      ),
    );
  const card = (n) =>
    make(
      "article",
      { class: "card", "data-n": n },
      make("div", { class: "picture", style: `background: hsl(${random(360)} 60% 80%)` }),
      make("h3", { class: "card-title" }, make("a", { href: `#item-${n}` }, words(3))),
      make("p", { class: "card-text" }, words(9), make("em", {}, words(1)), words(3)),
      make("ul", { class: "facts" }, make("li", {}, words(2)), make("li", {}, words(2))),
      make("button", { class: "button", type: "button" }, "Buy"),
    );
  const cards = (count, host = make("main", { class: "cards" })) => {
    host.append(...Array.from({ length: count }, (_, n) => card(n)));
    return host;
  };
  const tableRow = (n) =>
    make(
      "tr",
      { class: n % 2 ? "odd" : "even" },
      ...[String(n), words(2), words(1), String(random(900)), words(1), words(1)].map((text) => make("td", {}, text)),
    );

  const PAGES = {
    form: () => document.body.append(form(28)),
    dashboard: () => {
      const board = make("main", { class: "board" });
      document.body.append(board);
      for (let n = 0; n < 92; n++) board.append(panel());
    },
    table: () => {
      const body = make("tbody");
      for (let n = 0; n < 1000; n++) body.append(tableRow(n));
      document.body.append(make("table", { class: "table" }, body));
    },
    catalog: () => {
      style(".card { content-visibility: auto; contain-intrinsic-size: auto 180px; border: 1px solid #ccc }");
      style(".cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 8px } .picture { height: 60px }");
      document.body.append(cards(1330));
    },
  };

  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  /** Every workload calls `step(fn)` for each of its changes; one change is one task of the page. */
  const WORKLOADS = {
    typing: async (step) => {
      for (let field = 0; field < 4; field++) {
        const input = document.getElementById(`f${field}`);
        // As forms do: what is typed is counted beside the field.
        const hint = input.parentNode.querySelector(".hint").firstChild;
        input.addEventListener("input", () => (hint.data = `${input.value.length} of 60 characters`));
        await step(() => input.focus());
        for (const letter of words(9).slice(0, 54)) {
          await step(() => document.execCommand("insertText", false, letter));
          await wait(12);
        }
      }
    },
    sort: async (step) => {
      const body = document.querySelector("tbody");
      for (let round = 0; round < 6; round++) {
        const column = [1, 0, 3, 0, 2, 0][round];
        const key = (row) => row.children[column].textContent;
        await step(() => body.append(...[...body.children].sort((a, b) => (key(a) < key(b) ? -1 : 1))));
        await wait(600);
      }
    },
    animation: async (step) => {
      const tiles = [...document.querySelectorAll(".tile")].slice(0, 200);
      for (let at = 0; at < 60; at++) {
        await step(() =>
          tiles.forEach((tile, n) => {
            const x = (Math.sin((at + n) / 9) * 20).toFixed(2);
            tile.setAttribute("style", `transform: translate(${x}px, 0px); opacity: ${((at + n) % 50) / 50}`);
          }),
        );
      }
    },
    churn: async (step) => {
      const host = make("ul", { class: "feed" });
      document.querySelector(".board").prepend(host);
      let next = 0;
      const item = () => make("li", { class: "entry", "data-key": next++ }, make("b", {}, words(1)), words(3));
      host.append(...Array.from({ length: 100 }, item));
      for (let commit = 0; commit < 40; commit++) {
        await step(() => {
          for (let op = 0; op < 50; op++) {
            const rows = host.children;
            const at = rows[random(rows.length)];
            const kind = random(4);
            if (kind === 0) host.insertBefore(item(), at);
            else if (kind === 1 && rows.length > 50) at.remove();
            else if (kind === 2) host.insertBefore(at, rows[random(rows.length)]);
            else at.lastChild.data = words(3);
          }
        });
      }
    },
    ticker: async (step) => {
      const text = document.querySelector(".hint").firstChild;
      for (let at = 0; at < 180; at++) await step(() => (text.data = `up ${at % 100} of 100 ${WORDS[at % 15]}`));
    },
    storm: async (step) => {
      const host = document.querySelector(".cards");
      for (let round = 0; round < 4; round++) {
        const fresh = Array.from({ length: 1330 }, (_, n) => card(n));
        await step(() => host.replaceChildren(...fresh));
        await wait(1500);
      }
    },
    route: async (step) => {
      for (let round = 0; round < 6; round++) {
        const board = make("main", { class: "board" });
        const view = [() => cards(60, board), () => board.append(form(60)), () => board.append(...Array.from({ length: 40 }, panel))];
        view[round % 3]();
        await step(() => {
          history.pushState(null, "", `#view-${round}`);
          document.querySelector(".board").replaceWith(board);
        });
        await wait(400);
      }
    },
    virtual: async (step) => {
      const list = make("div", { class: "virtual", style: "height: 400px; overflow: auto; position: relative" });
      document.body.prepend(list);
      const rows = Array.from({ length: 30 }, () => make("div", { class: "line" }, make("b", {}, ""), make("span", {}, "")));
      list.append(make("div", { style: "height: 200000px" }), ...rows);
      for (let at = 0; at < 90; at++) {
        await step(() => {
          list.scrollTop = at * 40;
          rows.forEach((row, n) => {
            const index = at * 2 + n;
            row.setAttribute("style", `position: absolute; top: ${index * 20}px`);
            row.firstChild.textContent = String(index);
            row.lastChild.textContent = WORDS[index % 15];
          });
        });
      }
    },
  };

  /** now: milliseconds of a clock that every page of this machine shares. */
  const now = () => performance.timeOrigin + performance.now();
  window.Bench = {
    now,
    nodes: () => document.querySelectorAll("*").length + document.evaluate("count(//text())", document, null, 1).numberValue,
    open(page) {
      seed = 7;
      style("body { font: 14px sans-serif } .tile, .panel-body { display: inline-block }");
      document.body.append(make("i", { id: "probe", class: "p" }));
      PAGES[page]();
    },
    /** Run one; with `probe`, the time right after each change, by the number that the probe shows then. */
    async run(name, probe) {
      const times = [];
      seed = 11;
      await WORKLOADS[name](async (change) => {
        await frame();
        // Two browsers' frames have one phase to each other as long as they run: at any moment of a frame, not at one.
        if (probe) await wait(Math.random() * 15);
        change();
        if (!probe) return;
        document.getElementById("probe").className = `p${times.length}`;
        times.push(now());
      });
      return times;
    },
  };
  // What the recorder hands to its socket, before any compression.
  const sent = (window.__sent = { bytes: 0, messages: 0, ms: 0 });
  const send = WebSocket.prototype.send;
  const encoder = new TextEncoder();
  WebSocket.prototype.send = function (data) {
    sent.messages += 1;
    sent.bytes += typeof data === "string" ? encoder.encode(data).length : data.byteLength;
    const begun = performance.now();
    send.call(this, data);
    sent.ms += performance.now() - begun;
  };
})();
