// One random program over everything inside #lab; the same seed makes the same changes on the same page.
([seed, steps]) => {
  let state = (seed * 2654435761 + 1) >>> 0;
  const random = (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
  window.kept ??= [];
  const lab = document.getElementById("lab");
  const inside = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => (e.shadowRoot ? [e, ...inside(e.shadowRoot)] : [e]));
  const pick = () => {
    const all = [lab, ...inside(lab)];
    return all[random(all.length)];
  };
  const make = () => {
    const made = document.createElement(["div", "p", "span", "li", "b", "td"][random(6)]);
    if (random(2)) made.textContent = `t${random(1000)}`;
    if (random(4) === 0) made.className = `c${random(5)}`;
    if (random(5) === 0) made.append(Object.assign(document.createElement("i"), { textContent: `x${random(9)}` }));
    return made;
  };
  const moves = [
    (e) => e.append(make()),
    (e) => e.prepend(make()),
    (e) => e !== lab && e.remove(),
    (e, other) => e !== lab && !e.contains(other) && other.append(e),
    (e, other) => e !== lab && other !== lab && !e.contains(other) && other.before(e),
    (e) => e.setAttribute("class", `k${random(4)}`),
    (e) => e.style.setProperty("left", `${random(100)}px`),
    (e) => e.removeAttribute("class"),
    (e) => {
      const text = [...e.childNodes].find((node) => node.nodeType === 3);
      if (text) text.data = `hello world ${random(100)} and some more`;
    },
    (e) => (e.textContent = `r${random(50)}`),
    (e) => e !== lab && (e.remove(), window.kept.push(e)),
    (e) => {
      const [back] = window.kept.splice(random(window.kept.length || 1), 1);
      if (back && !back.contains(e)) e.append(back);
    },
    (e) => {
      const parent = e.parentElement;
      if (parent && e !== lab && parent !== lab && parent.parentElement) {
        parent.before(e);
        e.append(parent);
      }
    },
    (e) => {
      if (e !== lab && !e.shadowRoot && /^(?:DIV|P|SPAN)$/.test(e.tagName))
        e.attachShadow({ mode: "open" }).append(make());
    },
    (e) => [...e.children].reverse().forEach((child) => e.append(child)),
    (e) => e.append(`txt${random(100)}`, document.createComment("no")),
    () => window.kept[0]?.append(make()),
  ];
  for (let step = 0; step < steps; step += 1) {
    try {
      moves[random(moves.length)](pick(), pick());
    } catch {
      // A move that the browser refuses is no change.
    }
  }
};
