// What a page does to itself: before anybody looks, and (edgeLate) while somebody does.
window.edgeRoots = new Map();
const byId = (id) => document.getElementById(id);
const root = (host, mode, html) => {
  const made = host.attachShadow({ mode });
  made.innerHTML = html;
  window.edgeRoots.set(host, made);
  return made;
};
const open = root(byId("open"), "open", "<style>:host { color: rgb(0, 100, 0) } p { margin: 0; padding: 3px }</style><p>open</p><div id='nested'></div>");
root(open.getElementById("nested"), "open", "<style>p { color: rgb(0, 0, 150); margin: 1px }</style><p>nested</p>");
root(byId("closed"), "closed", "<style>p { background: rgb(240, 220, 240); margin: 2px }</style><p>closed</p>");
root(byId("slotted"), "open", "<style>::slotted(b) { color: rgb(160, 0, 0) } slot[name=a] { display: block; border-left: 3px solid red }</style><slot name='a'></slot><slot></slot>");
customElements.define("foo-bar", class extends HTMLElement {});
customElements.define("color-test", class extends HTMLElement {});
const sheet = new CSSStyleSheet();
sheet.replaceSync(".adopted { color: rgb(10, 90, 160); padding-left: 4px }");
document.adoptedStyleSheets = [sheet];
const draw = (id, colour) => {
  const canvas = byId(id);
  const context = canvas.getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#fff";
  context.fillRect(10, 8, canvas.width / 3, canvas.height / 3);
};
draw("c1", "#2563eb");
draw("c2", "#15803d");
const source = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
let turn = 0;
const film = source.getContext("2d");
setInterval(() => {
  turn += 1;
  film.fillStyle = turn % 2 ? "#b45309" : "#b91c1c";
  film.fillRect(0, 0, 320, 180);
}, 200);
byId("video").srcObject = source.captureStream(5);
byId("video").play();
fetch("/private/picture.png").then((answer) => answer.blob()).then((blob) => {
  byId("blob").src = URL.createObjectURL(blob);
});
byId("lone").textContent = "lone \ud800 surrogate";
const written = byId("written").contentDocument;
written.open();
written.write("<!doctype html><style>:root { --c: rgb(0, 120, 120) } body { margin: 3px; color: var(--c); font-size: 1rem } html { font-size: 10px }</style><p id='w'>written</p>");
written.close();

// While somebody looks.
window.edgeLate = () => {
  root(byId("late"), "open", "<p style='margin: 0; color: rgb(90, 90, 0)'>late root</p>");
  sheet.insertRule(".adopted { border-bottom: 2px solid rgb(10, 90, 160) }", 1);
  const first = document.querySelector("style").sheet;
  first.insertRule(".inserted { color: rgb(170, 0, 170) }", first.cssRules.length);
  first.insertRule(".ruled { color: red }", first.cssRules.length);
  first.cssRules[first.cssRules.length - 1].style.setProperty("color", "rgb(3, 130, 90)");
  const [outer, inner] = [byId("outer"), byId("innermost")];
  outer.replaceWith(inner);
  inner.append(outer);
  byId("moved").before(byId("moved").nextSibling ?? "");
  byId("check").checked = true;
  byId("check").indeterminate = true;
  byId("one").value = "Beta";
  byId("many").options[0].selected = true;
  byId("many").options[2].selected = true;
  byId("text").value = "typed later";
  byId("far").value = 30;
  byId("sized").srcset = "../../private/back.png";
  byId("details").open = true;
  byId("scroller").scrollTop = 25;
  const frame = byId("frame").contentDocument;
  frame.querySelector("p").textContent = "changed later";
  frame.querySelector("p").className = "late";
  frame.scrollingElement.scrollTop = 30;
  written.body.append(Object.assign(written.createElement("b"), { textContent: " late" }));
  const own = new (byId("frame").contentWindow.CSSStyleSheet)();
  own.replaceSync("p.late { color: rgb(200, 60, 0) }");
  frame.adoptedStyleSheets = [own];
  byId("popover").showPopover();
  byId("dialog").showModal();
};
