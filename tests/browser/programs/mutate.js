// One program over everything inside #lab: a list of [name, number, number, number]. Numbers choose among what is
// there, so every program fits every page. Without a program: the names.
async (program) => {
  const lab = document.getElementById("lab");
  const inside = (root) => [...root.querySelectorAll("*")].flatMap((e) => [e, ...within(e).flatMap(inside)]);
  const within = (e) => {
    const inner = e.localName === "iframe" ? e.contentDocument?.body : null;
    return [e.shadowRoot, inner].filter(Boolean);
  };
  const all = (selector) => [lab, ...inside(lab)].filter((e) => e.matches(selector));
  const at = (list, n) => list[n % (list.length || 1)];
  const any = (n) => at(all("*:not(option,style,textarea,.scroller *,svg *,head,head *)"), n);
  const one = (selector, n) => at(all(selector), n);
  const make = (n, home) => {
    const made = (home?.ownerDocument ?? document).createElement(
      ["div", "p", "span", "li", "b", "td", "my-part"][n % 7],
    );
    if (n % 2) made.textContent = `t${n}`;
    if (n % 4 === 0) made.className = `c${n % 5}`;
    if (n % 5 === 0) made.append(Object.assign(document.createElement("i"), { textContent: `x${n % 9}` }));
    return made;
  };
  const leaves = (e) => e && e !== lab && e.parentNode && e.localName !== "body" && e.localName !== "html";
  const fits = (e, home) => leaves(e) && home && e !== home && !e.contains(home) && !inside(e).includes(home);
  const css = (n) => `.c${n % 5} { color: rgb(${n % 250}, ${n % 7}, 3); }`;
  const later = (n) =>
    new Promise((done) => [queueMicrotask, setTimeout, requestAnimationFrame][n % 3](done));
  const options = "select";
  const moves = {
    // elements
    append: (a, _, n) => any(a).append(make(n, any(a))),
    prepend: (a, _, n) => any(a).prepend(make(n)),
    remove: (a) => leaves(any(a)) && any(a).remove(),
    into: (a, b) => fits(any(a), any(b)) && any(b).append(any(a)),
    before: (a, b) => leaves(any(b)) && fits(any(a), any(b).parentNode) && any(b).before(any(a)),
    swap: (a, b) => leaves(any(a)) && leaves(any(b)) && any(a).replaceWith(any(b)),
    keep: (a) => leaves(any(a)) && (window.kept.push(any(a)), any(a).remove()),
    bring: (a, b) => {
      const [back] = window.kept.splice(b % (window.kept.length || 1), 1);
      if (back && !back.contains(any(a))) any(a).append(back);
    },
    turn: (a) => {
      const [e, parent] = [any(a), any(a).parentElement];
      if (leaves(e) && leaves(parent) && parent.parentElement) {
        parent.before(e);
        e.append(parent);
      }
    },
    clone: (a, b) => leaves(any(a)) && any(b).append(any(a).cloneNode(true)),
    reverse: (a) => [...any(a).children].reverse().forEach((child) => any(a).append(child)),
    grow: (a, _, n) => window.kept[a % (window.kept.length || 1)]?.append(make(n)),
    // words
    text: (a, _, n) => {
      const text = [...any(a).childNodes].find((node) => node.nodeType === 3);
      if (text) text.data = `hello world ${n} and some more`;
    },
    words: (a, _, n) => any(a).append(`txt${n}`, document.createComment("no")),
    splitText: (a, _, n) => {
      const text = [...any(a).childNodes].find((node) => node.nodeType === 3 && node.length > 1);
      text?.splitText(1 + (n % (text.length - 1)));
    },
    normalize: (a) => any(a).normalize(),
    odd: (a, _, n) => any(a).append(["\ud83d\ude00 e\u0301", "\ud800x", "", " \n ", "\u202e&<>"][n % 5]),
    textContent: (a, _, n) => any(a) !== lab && any(a).localName !== "body" && (any(a).textContent = `r${n}`),
    // attributes
    className: (a, _, n) =>
      any(a).setAttribute("class", `${any(a).matches(".scroller") ? "scroller " : ""}k${n % 4}`),
    unclass: (a) => !any(a).matches(".scroller") && any(a).removeAttribute("class"),
    style: (a, _, n) =>
      any(a).style.setProperty(n % 2 ? "left" : "color", n % 2 ? `${n}px` : `rgb(${n % 99}, 0, 0)`),
    attribute: (a, b, n) => {
      const name = [
        "title",
        "aria-label",
        "hidden",
        "dir",
        "lang",
        "data-state",
        "role",
        "formaction",
        "code",
      ][b % 9];
      if (n % 3) any(a).setAttribute(name, ["ltr", `say ${n}`, "", "open"][n % 4]);
      else any(a).removeAttribute(name);
    },
    markup: (a, _, n) => {
      const odd = [
        "@click=go",
        ":key=x",
        "(tap)=go",
        "[ng]=1",
        "x-on:click.prevent=go",
        "#ref",
        "*if=a",
        "a\ud83d\ude00=1",
      ];
      any(a).insertAdjacentHTML("beforeend", `<p ${odd[n % odd.length]} class=k1>odd</p>`);
    },
    tags: (a, _, n) => {
      const odd = ["o:p", "foo$bar", "param", "applet", "x-\ud83d\ude00", "template", "noscript", "marquee"];
      any(a).insertAdjacentHTML("beforeend", `<${odd[n % odd.length]} class=k2></${odd[n % odd.length]}>`);
    },
    mark: (a, b, n) => {
      const name = ["data-talknow-mask", "data-talknow-show", "data-talknow-block", "contenteditable"][b % 4];
      if (leaves(any(a))) any(a).toggleAttribute(name, n % 3 > 0);
    },
    shadow: (a, _, n) => {
      const host = at(
        all("div,p,span").filter((e) => !e.shadowRoot),
        a,
      );
      host?.attachShadow({ mode: "open" }).append(make(n), document.createElement("slot"));
    },
    // tables
    rowSort: (a, b, n) => {
      const body = one("tbody", a);
      const key = (row) => row.cells[n % 2]?.textContent ?? "";
      const rows = [...(body?.rows ?? [])].sort((x, y) => (b % 2 ? 1 : -1) * key(x).localeCompare(key(y)));
      body?.append(...rows);
    },
    rowMove: (a, b) => one("tr", b)?.parentNode.insertBefore(one("tr", a), one("tr", b)),
    rowAdd: (a, _, n) => {
      const row = one("tbody", a)?.insertRow(n % 2 ? 0 : -1);
      row?.insertCell().append(`row ${n}`);
      row?.insertCell().append(`${n}`);
    },
    rowDrop: (a) => one("tbody tr", a)?.remove(),
    column: (a) =>
      [...(one("table", a)?.rows ?? [])].forEach((row) => row.cells[1] && row.prepend(row.cells[1])),
    // frames
    frameNew: (a, _, n) => {
      const frame = document.createElement("iframe");
      if (n % 2) frame.srcdoc = `<p class=c${n % 5}>frame ${n}</p>`;
      any(a).append(frame);
      if (n % 2 === 0) frame.contentDocument?.body.append(make(n, frame.contentDocument.body));
    },
    frameIn: (a, _, n) => one("iframe", a)?.contentDocument?.body?.append(make(n)),
    frameText: (a, _, n) => (one("iframe", a).contentDocument.body.textContent = `f${n}`),
    frameDoc: (a, _, n) => (one("iframe", a).srcdoc = `<b>doc ${n}</b><input value="v9">`),
    frameLoad: (a) => one("iframe", a)?.contentWindow?.location.reload(),
    frameWrite: (a, _, n) => {
      const inner = one("iframe", a).contentDocument;
      inner.open();
      inner.write(`<p class=c2>written ${n}</p>`);
      inner.close();
    },
    frameMove: (a, b) => fits(one("iframe", a), any(b)) && any(b).append(one("iframe", a)),
    frameStyle: (a, _, n) => {
      const inner = one("iframe", a).contentDocument;
      inner.head.append(Object.assign(inner.createElement("style"), { textContent: css(n) }));
    },
    // style sheets
    styleNew: (a, _, n) =>
      any(a).append(Object.assign(document.createElement("style"), { textContent: css(n) })),
    styleText: (a, _, n) => (one("style", a).textContent = css(n) + css(n + 1)),
    styleWords: (a, _, n) => one("style", a)?.append(css(n)),
    styleMove: (a, b) => fits(one("style", a), any(b)) && any(b).append(one("style", a)),
    styleOff: (a, _, n) => (one("style", a).sheet.disabled = n % 2 > 0),
    ruleAdd: (a, b, n) => {
      const { sheet } = one("style", a);
      sheet.insertRule(css(n), b % (sheet.cssRules.length + 1));
    },
    ruleDrop: (a, b) => one("style", a)?.sheet.deleteRule(b % one("style", a).sheet.cssRules.length),
    ruleSet: (a, b, n) => at(one("style", a).sheet.cssRules, b).style.setProperty("margin", `${n}px`),
    ruleProperty: (a, b, n) => (at(one("style", a).sheet.cssRules, b).style.color = `rgb(${n % 99}, 1, 1)`),
    ruleName: (a, b, n) => (at(one("style", a).sheet.cssRules, b).selectorText = `.c${n % 5}`),
    ruleInner: (a, b, n) => {
      const group = [...one("style", a).sheet.cssRules].find((rule) => rule instanceof CSSMediaRule);
      if (n % 2) group?.insertRule(css(n), 0);
      else group?.cssRules[0].style.setProperty("padding", `${b % 50}px`);
    },
    adopt: (a, _, n) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css(n));
      const root =
        n % 2
          ? document
          : (at(
              all("*").filter((e) => e.shadowRoot),
              a,
            )?.shadowRoot ?? document);
      root.adoptedStyleSheets = [...root.adoptedStyleSheets.slice(n % 3 > 1 ? 1 : 0), sheet];
    },
    adoptPush: (_, __, n) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css(n));
      document.adoptedStyleSheets.push(sheet);
    },
    adoptEdit: (a, b, n) => {
      const sheet = at(document.adoptedStyleSheets, a);
      if (n % 3 === 0) sheet?.replaceSync(css(n));
      else if (n % 3 === 1) sheet?.insertRule(css(n), b % (sheet.cssRules.length + 1));
      else at(sheet?.cssRules ?? [], b)?.style.setProperty("margin", `${n}px`);
    },
    // fields
    value: (a, _, n) => (one("input:not([type]),textarea", a).value = n % 5 ? `qqqq${n} and more of it` : ""),
    valueAttribute: (a, _, n) => one("input", a)?.setAttribute("value", `qqqq${n}`),
    typed: (a, _, n) => {
      one("input:not([type]),textarea", a)?.focus();
      document.execCommand("insertText", false, `qqqq${n}`);
    },
    fieldNew: (a, b, n) => {
      const made = document.createElement(b % 3 ? "input" : "textarea");
      if (b % 3 === 1) made.type = ["checkbox", "radio", "range", "number"][n % 4];
      made.name = n % 2 ? "r" : "";
      if (n % 3) made.value = made.type === "number" ? `${90000 + n}` : `qqqq${n}`;
      if (made.type === "checkbox" || made.type === "radio") made.checked = n % 2 > 0;
      any(a).append(made);
    },
    check: (a, _, n) => (one("[type=checkbox],[type=radio]", a).checked = n % 3 > 0),
    checkAttribute: (a, _, n) =>
      one("[type=checkbox],[type=radio]", a)?.toggleAttribute("checked", n % 2 > 0),
    click: (a) => one("[type=checkbox],[type=radio]", a)?.click(),
    between: (a, _, n) => (one("[type=checkbox]", a).indeterminate = n % 2 > 0),
    kind: (a, _, n) => {
      const field = one("input", a);
      field.type = ["text", "checkbox", "radio", "range", "password"][n % 5];
      // What was a password once stays one.
      if (n % 5 === 4) (window.hard ??= new WeakSet()).add(field);
    },
    select: (a, _, n) => (one(options, a).selectedIndex = (n % 5) - 1),
    selectMany: (a, b, n) => (at(one("select[multiple]", a).options, b).selected = n % 2 > 0),
    optionNew: (a, b, n) => one(options, a)?.add(new Option(`o${n}`, "", n % 3 === 0, n % 3 === 0), b % 3),
    optionDrop: (a, b) => at(one(options, a)?.options ?? [], b)?.remove(),
    optionMove: (a) => [...(one(options, a)?.options ?? [])].reverse().forEach((o) => o.parentNode.append(o)),
    reset: (a) => one("form", a)?.reset(),
    // positions and layers
    scroll: (a, b, n) => one(".scroller", a)?.scrollTo((b * 7) % 600, (n * 7) % 700),
    scrollPage: (_, b, n) => scrollTo((b * 3) % 200, (n * 9) % 900),
    scrollerNew: (a, _, n) => {
      const made = document.createElement("div");
      made.className = "scroller";
      made.style.cssText = "height:50px;width:90px;overflow:auto";
      made.innerHTML = "<div style='height:900px;width:800px'>far</div>";
      any(a).append(made);
      if (n % 2) made.scrollTop = n;
    },
    details: (a, _, n) => one("details", a)?.toggleAttribute("open", n % 2 > 0),
    show: (a) => one("dialog", a)?.show(),
    modal: (a) => one("dialog", a)?.showModal(),
    close: (a) => one("dialog", a)?.close(),
    popover: (a) => one("[popover]", a)?.togglePopover(),
    focus: (a) => one("input,textarea,select", a)?.focus(),
    // drawings
    drawing: (a, _, n) => {
      const svg = "http://www.w3.org/2000/svg";
      const made = document.createElementNS(svg, ["g", "path", "linearGradient", "circle"][n % 4]);
      if (n % 4 === 1) made.setAttribute("d", `M0 0L${n} 9`);
      one("svg,g", a)?.append(made);
    },
    shape: (a, b, n) =>
      one("circle,path,g", a)?.setAttribute(
        ["r", "fill", "transform"][b % 3],
        ["1", "blue", `scale(${n % 9})`][b % 3],
      ),
    shapeMove: (a, b) => fits(one("svg *", a), one("svg,g", b)) && one("svg,g", b).append(one("svg *", a)),
    wait: (a) => later(a),
  };
  if (!program) return Object.keys(moves);
  for (const [name, a, b, n] of program) {
    try {
      await moves[name](a, b, n);
    } catch {
      // A move that the browser refuses, or that has nothing to move, is no change.
    }
  }
};
