import { createApp, h, ref } from "vue";

createApp({
  setup() {
    const rows = ref([1, 2, 3]);
    const name = ref("");
    const page = ref("list");
    return () =>
      h("div", { class: ["app", page.value] }, [
        h(
          "button",
          { type: "button", id: "add", onClick: () => rows.value.unshift(rows.value.length + 1) },
          "Add",
        ),
        h("button", { type: "button", id: "turn", onClick: () => rows.value.reverse() }, "Turn"),
        h(
          "button",
          { id: "go", onClick: () => (page.value = page.value === "list" ? "other" : "list") },
          "Go",
        ),
        h("input", { id: "name", value: name.value, onInput: (event) => (name.value = event.target.value) }),
        h("output", { id: "typed" }, `typed ${name.value.length}`),
        page.value === "list"
          ? h(
              "ul",
              rows.value.map((row) => h("li", { key: row, class: row % 2 ? "odd" : "even" }, `Row ${row}`)),
            )
          : h("p", { style: { color: "red" } }, "Another page"),
      ]);
  },
}).mount("#lab");
