// Every element of a page as it is drawn, in order: what it is, where it lies, a few computed styles. The same on both sides.
() => {
  const roots = window.edgeRoots ?? new Map();
  const SKIP = new Set(["script", "noscript", "meta", "base", "head", "title", "link", "style", "template", "source", "talk-now", "talk-now-over"]);
  const STYLES =
    "display color backgroundColor fontSize fontFamily fontWeight fontStyle lineHeight letterSpacing textAlign direction paddingLeft marginTop marginLeft borderTopWidth borderTopColor borderLeftWidth borderBottomWidth position textDecorationLine pointerEvents whiteSpace fill opacity visibility overflowX";
  const out = [];
  const state = (element) => {
    const { localName } = element;
    if (localName === "details" || localName === "dialog") return String(element.open);
    if (/^(progress|meter|li)$/.test(localName)) return String(element.value);
    if (localName === "img" && /^(sized|sourced)$/.test(element.id)) return String(element.naturalWidth);
    if (localName === "select") return [...element.options].map((one) => Number(one.selected)).join("");
    if (localName === "input" && /^(checkbox|radio)$/.test(element.type)) return `${element.checked} ${element.indeterminate}`;
    if (localName === "input" && element.dataset.tnMasked === undefined && element.type === "text") return element.value;
    if (element.hasAttribute("popover")) return String(element.matches(":popover-open"));
    return "";
  };
  const visit = (element, left, top, path) => {
    if (SKIP.has(element.localName) || element.id === "talk-now") return;
    const view = element.ownerDocument.defaultView;
    const style = view.getComputedStyle(element);
    const name = `${path}/${element.localName}${element.id ? "#" + element.id : ""}${element.className?.length ? "." + element.className : ""}`;
    const box = element.getBoundingClientRect();
    const styles = {};
    for (const key of STYLES.split(" ")) styles[key] = style[key];
    const before = view.getComputedStyle(element, "::before").content;
    out.push({ name, box: [box.x + left, box.y + top, box.width, box.height].map((n) => Math.round(n * 10) / 10), styles: { ...styles, before }, state: state(element) });
    const shadow = roots.get(element) ?? element.shadowRoot;
    if (shadow) for (const child of shadow.children) visit(child, left, top, `${name}|`);
    const inner = element.localName === "iframe" ? element.contentDocument?.documentElement : null;
    if (inner) {
      const border = view.getComputedStyle(element);
      visit(inner, left + box.x + parseFloat(border.borderLeftWidth), top + box.y + parseFloat(border.borderTopWidth), `${name}:`);
    }
    if (!["video", "audio", "canvas", "select"].includes(element.localName)) for (const child of element.children) visit(child, left, top, path.length > 200 ? path : `${path}/${element.localName}`);
  };
  visit(document.documentElement, 0, 0, "");
  return out;
}
