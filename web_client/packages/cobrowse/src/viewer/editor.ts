/**
 * Where an agent writes what goes into a field of the visitor's page: a field of our own above it, Enter or leaving it
 * sends, Esc does not. What the visitor's field holds is not known here, so it is replaced as a whole.
 */
const TYPED = new Set(
  "text search tel url email number date time month week datetime-local color".split(" "),
);
/** Of a list. */
const LINES = 8;

export class Editor {
  private field: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement | null = null;

  constructor(
    private readonly layer: HTMLElement,
    private readonly boxOf: (node: number) => DOMRect | null,
  ) {}

  holds(target: EventTarget | null): boolean {
    return target !== null && target === this.field;
  }

  /** Whether there is something to write into at this node; `done` gets it. */
  open(node: Node | null, id: number, done: (text: string) => void): boolean {
    this.close();
    const field = node === null ? null : fieldFor(node as Element);
    const box = this.boxOf(id);
    if (field === null || box === null) return false;
    this.field = field;
    field.className = "editor";
    field.setAttribute("aria-label", "Write into the customer's field; Enter sends, Escape does not");
    Object.assign(field.style, {
      left: `${box.x}px`,
      top: `${box.y}px`,
      minWidth: `${Math.max(60, box.width)}px`,
      minHeight: `${Math.max(24, box.height)}px`,
    });
    const send = () => {
      if (this.field !== field) return;
      this.close();
      if (field.value !== "") done(field.value);
    };
    // In a list the arrows only look; a click or Enter chooses.
    field.addEventListener(field.localName === "select" ? "click" : "change", send);
    field.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Escape") this.close();
      else if ((event as KeyboardEvent).key === "Enter" && field.localName !== "textarea") send();
    });
    this.layer.append(field);
    field.focus();
    return true;
  }

  close(): void {
    const { field } = this;
    this.field = null;
    field?.remove();
  }
}

/** An empty field of the kind that stands there; null where nothing is written. */
function fieldFor(element: Element): HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement | null {
  const name = element.localName;
  if (name === "textarea") return document.createElement("textarea");
  if (name === "select") return choiceOf(element as HTMLSelectElement);
  const type = (element.getAttribute("type") ?? "text").toLowerCase();
  if (name !== "input" || !TYPED.has(type)) return null;
  const field = document.createElement("input");
  field.type = type;
  return field;
}

function choiceOf(shown: HTMLSelectElement): HTMLSelectElement {
  const field = document.createElement("select");
  field.size = Math.max(2, Math.min(LINES, shown.options.length));
  for (const { label } of shown.options) field.add(new Option(label, label));
  return field;
}
