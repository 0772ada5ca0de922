// What is inside #lab, as far as both sides must agree: tags, classes, styles and words, shadow roots included.
() => {
  const outline = (node) => {
    if (node.nodeType === 3) return JSON.stringify(node.data);
    if (node.nodeType !== 1) return "";
    const inside = [...node.childNodes].map(outline).join("");
    const shadow = node.shadowRoot ? `#(${[...node.shadowRoot.childNodes].map(outline).join("")})` : "";
    return `<${node.localName} ${node.getAttribute("class") ?? ""} ${node.getAttribute("style") ?? ""}>${shadow}${inside}</>`;
  };
  return outline(document.getElementById("lab"));
}
