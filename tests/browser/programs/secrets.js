// One generated form: secrets go into fields in every way a page or a person can put them there, and come out again
// wherever careless pages let them. Returns the secrets.
async (seed) => {
  let state = (seed * 2654435761 + 97) >>> 0;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = (list) => list[random(list.length)];
  const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  const secret = () =>
    Array.from({ length: 12 + random(12) }, () => LETTERS[random(LETTERS.length)]).join("");
  const later = () => new Promise((resolve) => setTimeout(resolve, random(20)));
  const make = (tag, props = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const host = document.getElementById("forms") ?? document.body.appendChild(make("div", { id: "forms" }));
  host.replaceChildren();
  const form = host.appendChild(make("form", { action: "#nowhere" }));
  const setter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const told = (field) => field.dispatchEvent(new InputEvent("input", { bubbles: true }));

  /** Ways into a field. */
  const INTO = {
    property: (field, text) => (field.value = text),
    attribute: (field, text) => field.setAttribute("value", text),
    event: (field, text) => (setter.call(field, text), told(field)),
    typed: (field, text) => {
      field.focus();
      for (const letter of text) document.execCommand("insertText", false, letter);
    },
    undo: (field, text) => {
      field.focus();
      document.execCommand("insertText", false, text);
      document.execCommand("undo");
      document.execCommand("redo");
    },
    autofill: (field, text) => {
      // As browsers do it: the value is there at once, no key was pressed, and only then the page is told.
      field.setAttribute("autocomplete", pick(["name", "email", "street-address", "tel", "cc-name"]));
      setter.call(field, text);
      told(field);
      field.dispatchEvent(new Event("change", { bubbles: true }));
    },
    dragged: (field, text) => {
      const carried = new DataTransfer();
      carried.setData("text/plain", text);
      for (const kind of ["dragenter", "dragover", "drop"])
        field.dispatchEvent(new DragEvent(kind, { bubbles: true, dataTransfer: carried }));
      setter.call(field, carried.getData("text/plain"));
      field.dispatchEvent(
        new InputEvent("input", { bubbles: true, inputType: "insertFromDrop", data: text }),
      );
    },
    born: (field, text) => {
      const twin = field.cloneNode();
      twin.setAttribute("value", text);
      field.replaceWith(twin);
    },
  };
  /** Ways out of it again. */
  const OUT = {
    error: (text) => form.append(make("p", { class: "error" }, `'${text}' is not valid`)),
    whole: (text) => form.append(make("output", {}, text)),
    changed: (text) => {
      const note = form.appendChild(make("p", {}, "nothing"));
      later().then(() => (note.firstChild.data = `now ${text}`));
    },
    title: (text) => form.append(make("b", { title: text }, "?")),
    aria: (text) => form.append(make("b", { "aria-label": `Field ${text}`, "aria-describedby": text }, "?")),
    placeholder: (text) => form.append(make("input", { placeholder: text })),
    data: (text) => form.append(make("b", { "data-value": text, "data-x": `a ${text} b` }, "?")),
    alt: (text) => form.append(make("img", { alt: text, src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" })),
    link: (text) => form.append(make("a", { href: `/find?q=${text}#${text}` }, "find")),
    action: (text) => form.setAttribute("action", `/send/${text}`),
    address: (text) => history.replaceState(null, "", `?token=${text}#${text}`),
    path: (text) => history.replaceState(null, "", `/person/${text}`),
    name: (text) => (document.title = `Hello ${text}`),
    clone: (_, field) => form.append(field.cloneNode(true)),
    shadow: (text) => {
      const box = form.appendChild(make("div"));
      box
        .attachShadow({ mode: pick(["open", "closed"]) })
        .append(make("p", {}, `Dear ${text}`), make("input", { value: text }));
    },
    frame: (text) => {
      const frame = form.appendChild(make("iframe"));
      const inner = frame.contentDocument;
      inner.body.append(make("p", {}, `Dear ${text}`), make("input", { value: text, title: text }));
    },
    area: (text) => form.append(make("textarea", {}, text)),
    editor: (text) => form.append(make("div", { contenteditable: "" }, text)),
    marked: (text) => form.append(make("p", { "data-private": "" }, make("i", { title: text }, text))),
    style: (text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`.x::after { content: "Dear ${text}" }`);
      document.adoptedStyleSheets = [sheet];
    },
    names: (text) => form.append(make("b", { class: `person ${text}`, id: `row-${text}`, lang: text }, "?")),
    wrapped: (text) => form.append(make("p", {}, text.slice(0, 0), make("mark", {}, text), " ok")),
    dropped: (text, field) => {
      // Dragged from the field to a place of the page that shows what was dropped on it.
      const place = form.appendChild(make("p", { class: "drop" }, "Drop here"));
      place.addEventListener("drop", (event) => {
        const given = event.dataTransfer.getData("text/plain");
        place.replaceChildren("Dropped: ", make("b", { title: given }, given));
      });
      const carried = new DataTransfer();
      carried.setData("text/plain", field.value || text);
      field.dispatchEvent(new DragEvent("dragstart", { bubbles: true, dataTransfer: carried }));
      place.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: carried }));
    },
    undone: (text) => {
      const area = form.appendChild(make("textarea"));
      area.focus();
      document.execCommand("insertText", false, text);
      document.execCommand("undo");
      form.append(make("p", { class: "undo" }, `Undone: ${text}`));
    },
    readable: (text) => {
      // A password field inside what the site shows, made readable by its eye.
      const field = make("input", { type: "password" });
      form.append(make("div", { "data-talknow-show": "" }, field));
      field.value = text;
      field.type = "text";
      const last = pick(["text", "password"]);
      later().then(() => (field.type = last));
    },
    upper: (text) => form.append(make("p", { class: "error" }, `${text.toUpperCase()} IS TAKEN`)),
    invalid: (text, field) => {
      field.setCustomValidity(`${text} is too long`);
      form.append(make("p", { role: "alert", "aria-live": "assertive" }, field.validationMessage));
    },
    markup: (text, field) => {
      const twin = field.cloneNode();
      twin.setAttribute("value", text);
      const kept = make("template");
      kept.content.append(text);
      form.append(make("div", {}, twin, kept, document.createComment(text), make("noscript", {}, text)));
    },
    property: (text) => form.appendChild(make("b", {}, "?")).style.setProperty("--said", `"${text}"`),
    dialog: (text) => {
      const asked = form.appendChild(make("dialog", { "aria-label": `About ${text}` }, `Delete ${text}?`));
      asked.show();
    },
    moved: (text, field) => {
      const other = form.appendChild(make("input", { type: "text" }));
      field.value = "";
      other.value = text;
    },
    option: (text) =>
      form.append(make("select", {}, make("option", {}, text), make("option", { label: text }))),
    svg: (text) => {
      const drawn = document.createElementNS("http://www.w3.org/2000/svg", "text");
      drawn.textContent = text;
      form.append(make("div"));
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.append(drawn);
      form.append(svg);
    },
    number: (text) => form.append(make("p", {}, `Nr. ${text}.`)),
  };
  const TYPES = ["text", "text", "password", "email", "tel", "search", "url", "hidden"];
  const CARDS = ["", "", "cc-number", "one-time-code", "current-password", "name", "street-address"];
  const secrets = [];
  for (let index = 0; index < 3; index += 1) {
    const text = secret();
    secrets.push(text);
    let field = make("input", { type: pick(TYPES), name: `f${index}` });
    const complete = pick(CARDS);
    if (complete) field.setAttribute("autocomplete", complete);
    field.id = `f${index}`;
    form.append(make("label", {}, "Field ", field));
    if (random(2)) await later();
    const into = field.type === "hidden" ? pick(["property", "attribute", "born"]) : pick(Object.keys(INTO));
    INTO[into](field, text);
    field = document.getElementById(`f${index}`) ?? field;
    if (random(2)) await later();
    for (let out = 0; out < 3; out += 1) {
      OUT[pick(Object.keys(OUT))](text, field);
      if (random(3) === 0) await later();
    }
  }
  await later();
  return secrets;
};
