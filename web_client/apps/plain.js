const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const rows = [1, 2, 3];
let page = "list";
const list = make("ul");
const typed = make("output", { id: "typed" }, "typed 0");
const app = make("div", { className: "app list" });
const other = make("p", { style: "color: red" }, "Another page");
const row = (n) => make("li", { className: n % 2 ? "odd" : "even" }, `Row ${n}`);
const draw = () => list.replaceChildren(...rows.map(row));
const button = (id, text, onclick) => make("button", { id, onclick }, text);
const name = make("input", { id: "name" });
name.addEventListener("input", () => (typed.textContent = `typed ${name.value.length}`));
app.append(
  button("add", "Add", () => {
    rows.unshift(rows.length + 1);
    draw();
  }),
  button("turn", "Turn", () => {
    rows.reverse();
    draw();
  }),
  button("go", "Go", () => {
    page = page === "list" ? "other" : "list";
    app.className = `app ${page}`;
    app.lastChild.replaceWith(page === "list" ? list : other);
  }),
  name,
  typed,
  list,
);
draw();
document.getElementById("lab").append(app);
