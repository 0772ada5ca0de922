// What is inside #lab, as far as both sides must agree: tags, classes, styles, words, rules, what is in fields, where
// it is scrolled to; shadow roots and frames included. On the customer's side what stays there is already dots.
() => {
  const isViewer = location.pathname.endsWith("/inner.html");
  const DOTS = "\u2022".repeat(8);
  const [PLAIN, MASK, SHOW, BLOCK] = [0, 1, 2, 3];
  const UNSEEN = new Set("script noscript base meta title template talk-now talk-now-over".split(" "));
  const CLOSED = new Set(["style", "textarea", "input"]);
  const DRAWN = new Set("svg g path circle linearGradient".split(" "));
  const shown = (e) => {
    const unknown = e.constructor.name === "HTMLUnknownElement" || /^(?:marquee|param)$/.test(e.localName);
    if (e.namespaceURI.endsWith("svg")) return DRAWN.has(e.localName) ? e.localName : "g";
    if (unknown || !/^[a-z][\w.-]*$/i.test(e.localName)) return "span";
    return e.localName;
  };
  const NAMES = "title aria-label hidden dir lang role open colspan viewBox r fill transform d".split(" ");
  const stand = (e, above) => {
    if (above === BLOCK || e.hasAttribute("data-talknow-block")) return BLOCK;
    if (above === MASK || e.hasAttribute("data-talknow-mask")) return MASK;
    if (above === SHOW || e.hasAttribute("data-talknow-show")) return SHOW;
    return e.matches("[contenteditable]:not([contenteditable='false'])") ? MASK : PLAIN;
  };
  const said = (words, how) => (how === MASK && words.trim() !== "" ? DOTS : words.toWellFormed());
  const rules = (sheet) =>
    `{${sheet?.disabled ? "off" : ""}${[...(sheet?.cssRules ?? [])].map((r) => r.cssText).join("")}}`;
  const adopted = (root) => {
    // The viewer's own rules are first in every root.
    const own = root.adoptedStyleSheets.slice(isViewer ? 1 : 0);
    return own.map(rules).join("");
  };
  const field = (e, how) => {
    const hides = !isViewer && (how !== SHOW || e.type === "password" || window.hard?.has(e));
    // Of a choice that stays here nobody is told: the viewer has none.
    if (e.localName === "select") {
      const untold = how !== SHOW && !isViewer;
      return `selected:${[...e.options].map((o) => (o.selected && !untold ? 1 : 0)).join("")}`;
    }
    const text = hides ? (e.value === "" ? "" : DOTS) : e.value;
    if (e.type === "checkbox" || e.type === "radio")
      return hides ? "false false" : `${e.checked} ${e.indeterminate}`;
    return e.type === "range" || e.type === "number" ? "" : JSON.stringify(text);
  };
  const many = (nodes, how) => [...nodes].map((node) => outline(node, how)).join("");
  const element = (e, above) => {
    const how = stand(e, above);
    const tag = isViewer ? e.localName : shown(e);
    if (how === BLOCK || (isViewer && e.hasAttribute("data-tn-blocked"))) return "<blocked>";
    const names = NAMES.filter((name) => e.hasAttribute(name)).map((name) => {
      const read = name === "title" || name === "aria-label";
      return `${name}=${read ? said(e.getAttribute(name), how) : e.getAttribute(name)}`;
    });
    const inner = e.contentDocument;
    const root = e.shadowRoot ?? (e.localName === "iframe" && inner?.documentElement ? inner : null);
    const parts = [tag, e.getAttribute("class") ?? "", e.getAttribute("style") ?? "", ...names];
    if (/^(?:input|textarea|select)$/.test(tag)) parts.push(field(e, how));
    if (tag === "style") parts.push(rules(e.sheet));
    if (e.classList.contains("scroller"))
      parts.push(`at ${Math.round(e.scrollLeft)},${Math.round(e.scrollTop)}`);
    if (tag === "dialog" && e.matches(":modal")) parts.push("modal");
    if (e.hasAttribute("popover") && e.matches(":popover-open")) parts.push("on top");
    const shadow = root === null ? "" : `#(${adopted(root)}${many(root.childNodes, how)})`;
    const children = CLOSED.has(tag) || e.localName === "iframe" ? "" : many(e.childNodes, how);
    return `<${parts.join("|")}>${shadow}${children}</>\n`;
  };
  const outline = (node, above) => {
    if (node.nodeType === 3) return JSON.stringify(said(node.data, above));
    return node.nodeType !== 1 || UNSEEN.has(node.localName) ? "" : element(node, above);
  };
  const page = document.scrollingElement;
  // A viewer that begins anew has nothing yet.
  const lab = document.getElementById("lab") ?? new Text();
  return `${Math.round(page.scrollLeft)},${Math.round(page.scrollTop)} ${adopted(document)}${outline(lab, PLAIN)}`;
};
