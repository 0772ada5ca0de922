/**
 * Values and choices of form fields, as properties have them: what was typed, set by a script, reset or filled in
 * by the browser. A value that may not leave is never read further than its length, and is remembered so that
 * it does not come out as somebody's error text.
 */
import { OP_CHK, OP_VAL, OP_VSPL } from "@talknow/protocol";
import type { Writer } from "../writer.ts";
import type { Hooks } from "./hooks.ts";
import { isButton, type Masks } from "./mask.ts";
import { native } from "./native.ts";
import { common } from "./splice.ts";
import type { Tree } from "./tree.ts";

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;
const SPLICE_CHARS = 4;

export function isField(node: Node | null): node is Field {
  const name = (node as Element | null)?.localName;
  return name === "input" || name === "textarea" || name === "select";
}

export class Forms {
  private readonly dirty = new Set<Field>();
  private readonly radios = new Set<Field>();
  private readonly sent = new Map<number, string>();
  private readonly kinds = new Map<number, string>();
  private readonly checked = new Map<number, number>();
  /** Fields whose value stays here. */
  readonly hiding = new Set<number>();

  constructor(
    private readonly tree: Tree,
    private readonly writer: Writer,
    private readonly masks: Masks,
    private readonly changed: () => void,
  ) {}

  hook(hooks: Hooks, realm: typeof globalThis): void {
    const mark = (self: Field) => this.mark(self);
    for (const name of ["value", "checked", "indeterminate"])
      hooks.setter(realm.HTMLInputElement?.prototype, name, mark);
    hooks.setter(realm.HTMLTextAreaElement?.prototype, "value", mark);
    for (const name of ["value", "selectedIndex"])
      hooks.setter(realm.HTMLSelectElement?.prototype, name, mark);
    hooks.setter(realm.HTMLOptionElement?.prototype, "selected", (self: HTMLOptionElement) => {
      const select = self.closest("select");
      if (select) this.mark(select);
    });
  }

  listen(hooks: Hooks, root: Document | ShadowRoot): void {
    hooks.listen(root, "input change", (event: Event) => {
      const target = (event.composedPath()[0] ?? event.target) as Node;
      if (isField(target)) this.mark(target);
    });
    hooks.listen(root, "reset", (event: Event) => {
      const form = event.target as HTMLFormElement;
      native("setTimeout")(() => {
        for (const field of form.elements ?? []) if (isField(field)) this.mark(field);
      });
    });
  }

  /** A field became known: what it holds is sent with it. */
  add(field: Field): void {
    this.dirty.add(field);
    if (field.type === "radio") {
      this.radios.add(field);
      this.neighbours(field);
    }
  }

  /** Elements came to other places: radio buttons may have other neighbours there. */
  moved(): void {
    for (const radio of this.radios) this.dirty.add(radio);
  }

  mark(field: Field): void {
    if (!this.tree.has(field)) {
      this.remember(field);
      return;
    }
    this.add(field);
    this.changed();
  }

  /** A radio button takes the choice from its neighbours, which no event tells. */
  private neighbours(field: Field): void {
    if (field.name === "") return;
    const root = field.getRootNode() as Document | ShadowRoot;
    const name = CSS.escape(field.name);
    for (const other of root.querySelectorAll<HTMLInputElement>(`input[type=radio][name="${name}"]`))
      if (this.tree.has(other)) this.dirty.add(other);
  }

  drop(node: Node, id: number): void {
    // Typed and gone before a frame was written: the page may show it all the same.
    if (this.dirty.delete(node as Field)) this.remember(node as Field, this.tree.stand(id));
    this.radios.delete(node as Field);
    this.sent.delete(id);
    this.checked.delete(id);
    this.kinds.delete(id);
    this.hiding.delete(id);
  }

  clear(): void {
    const { dirty, radios, sent, kinds, checked, hiding } = this;
    for (const kept of [dirty, radios, sent, kinds, checked, hiding]) kept.clear();
  }

  /** Before anything is written: what is in the fields now may stand elsewhere on the page too. */
  learn(root: ParentNode | Field): void {
    if (isField(root)) this.remember(root);
    else if (root.firstElementChild !== null)
      for (const field of root.querySelectorAll<Field>("input,textarea")) this.remember(field);
  }

  /** Learn what is in the fields that changed, so that a text written before them in the frame is masked too. */
  learnDirty(): void {
    for (const field of this.dirty) this.remember(field);
  }

  write(): void {
    for (const field of this.dirty) {
      const id = this.tree.id(field);
      if (id !== undefined) this.one(field, id);
    }
    this.dirty.clear();
  }

  private remember(field: Field, stand = this.tree.standOf(field)): void {
    if (field.localName === "select" || isButton(field) || isChoice(field)) return;
    // Asked of an empty field too: a password that is made readable later stays one.
    const hides = this.masks.hidesValue(field, stand);
    if (field.type === "range" || field.type === "color" || field.value.length < 2) return;
    if (hides) this.masks.remember(field.value);
  }

  private one(field: Field, id: number): void {
    const hides = this.masks.hidesValue(field, this.tree.stand(id)) && !isButton(field);
    if (hides) this.hiding.add(id);
    else this.hiding.delete(id);
    // Another kind of field may have made something else of what viewers were told.
    const turned = (this.kinds.get(id) ?? field.type) !== field.type;
    this.kinds.set(id, field.type);
    if (field.localName === "select") this.options(field as HTMLSelectElement, hides);
    else if (isChoice(field)) this.choice(id, hides ? 0 : checkOf(field as HTMLInputElement), turned);
    else if (field.type !== "file") this.value(id, this.words(field, id, hides), turned);
  }

  private words(field: Field, id: number, hides: boolean): string {
    if (isButton(field)) return this.masks.text(field.value, this.tree.stand(id));
    return this.masks.value(field.value, hides);
  }

  private value(id: number, now: string, again: boolean): void {
    const before = this.sent.get(id) ?? "";
    if (now === before && !again) return;
    this.sent.set(id, now);
    const { writer } = this;
    const [head, tail] = common(before, now);
    if (head + tail > SPLICE_CHARS && !again) {
      writer.int(OP_VSPL);
      writer.ref(id);
      writer.int(head);
      writer.int(tail);
      writer.text(now.slice(head, now.length - tail));
    } else {
      writer.int(OP_VAL);
      writer.ref(id);
      writer.text(now);
    }
  }

  private choice(id: number, now: number, again = false): void {
    if ((this.checked.get(id) ?? 0) === now && !again) return;
    this.checked.set(id, now);
    this.writer.int(OP_CHK);
    this.writer.ref(id);
    this.writer.int(now);
  }

  private options(select: HTMLSelectElement, hides: boolean): void {
    // What stands in a list that changed may be chosen there by itself: say again what is, or that nothing is.
    const none = hides || select.selectedIndex < 0;
    const [told] = select.multiple ? [] : none ? select.options : select.selectedOptions;
    for (const option of select.options) {
      const id = this.tree.id(option);
      if (id === undefined) continue;
      this.choice(id, !hides && option.selected ? 1 : 0, option === told);
    }
  }
}

function isChoice(field: Field): boolean {
  return field.type === "checkbox" || field.type === "radio";
}

function checkOf(input: HTMLInputElement): number {
  return (input.checked ? 1 : 0) | (input.indeterminate ? 2 : 0);
}
