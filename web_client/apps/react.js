import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";

function App() {
  const [rows, setRows] = useState([1, 2, 3]);
  const [name, setName] = useState("");
  const [page, setPage] = useState("list");
  return h(
    "div",
    { className: `app ${page}` },
    h("button", { type: "button", id: "add", onClick: () => setRows([rows.length + 1, ...rows]) }, "Add"),
    h("button", { type: "button", id: "turn", onClick: () => setRows(rows.toReversed()) }, "Turn"),
    h(
      "button",
      { type: "button", id: "go", onClick: () => setPage(page === "list" ? "other" : "list") },
      "Go",
    ),
    h("input", { id: "name", value: name, onChange: (event) => setName(event.target.value) }),
    h("output", { id: "typed" }, `typed ${name.length}`),
    page === "list"
      ? h(
          "ul",
          null,
          ...rows.map((row) => h("li", { key: row, className: row % 2 ? "odd" : "even" }, `Row ${row}`)),
        )
      : h("p", { style: { color: "red" } }, "Another page"),
  );
}

createRoot(document.getElementById("lab")).render(h(App));
