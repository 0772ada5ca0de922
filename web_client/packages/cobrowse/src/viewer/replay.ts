/**
 * Applies frames to the inner document: one op after another, at once, without waiting for a picture frame.
 *
 * A frame that cannot be raises BadFrame: the viewer then asks for a keyframe. Source: docs/cobrowse_wire.md.
 */
import {
  OP_ADEL,
  OP_ADOPT,
  OP_ASPL,
  OP_ASSET,
  OP_ATTR,
  OP_CHK,
  OP_DET,
  OP_FOC,
  OP_HASH,
  OP_HOLD,
  OP_IMG,
  OP_KEY,
  OP_MEDIA,
  OP_NOTE,
  OP_PAGE,
  OP_PTR,
  OP_RADD,
  OP_RDEL,
  OP_REM,
  OP_RSET,
  OP_RUN,
  OP_SCR,
  OP_SDIS,
  OP_SEL,
  OP_SHEET,
  OP_SNAP,
  OP_TEXT,
  OP_TOP,
  OP_TSPL,
  OP_VAL,
  OP_VIEW,
  OP_VIS,
  OP_VSPL,
} from "@talknow/protocol";
import { NOTES } from "@talknow/protocol/words";
import { BadFrame, Reader } from "../reader.ts";
import { Builder } from "./build.ts";
import { Frames } from "./frames.ts";
import { Pictures } from "./pictures.ts";
import { Stills } from "./stills.ts";
import { Styles } from "./styles.ts";
import { ShownTree } from "./tree.ts";

export interface View {
  width: number;
  height: number;
  scale: number;
  offsetX: number;
  offsetY: number;
}

/** What a video or audio element does. */
export interface Playing {
  paused: boolean;
  muted: boolean;
  at_s: number;
  rate: number;
}

/** SNAP's flags: the page as a whole, and the device it is on. */
const QUIRKS = 1;
const DARK = 2;
const TOUCH = 4;
const CALM = 8;
const DARK_PAGE = 16;

/** A page that only a document in the other mode can show. */
export class OtherMode extends Error {
  constructor(readonly quirks: boolean) {
    super("mode");
  }
}

/** What the window around the page wants to know. */
export interface Audience {
  pointer(x: number, y: number, kind: number): void;
  view(view: View): void;
  page(url: string, title: string): void;
  note(what: (typeof NOTES)[number]): void;
  held(reason: number): void;
  /** A picture begins; anew: with other numbers for its nodes. */
  begun(touch: boolean, anew: boolean): void;
  media(node: number, playing: Playing): void;
}

export class Replay {
  readonly tree = new ShownTree();
  readonly pictures = new Pictures();
  seq = 0;
  /** Show it whatever the document's mode is. */
  anyMode = false;
  /** Scroll as the visitor does. */
  follows = true;
  private readonly reader = new Reader();
  private readonly builder: Builder;
  private readonly styles: Styles;
  private readonly stills = new Stills();
  private readonly frames = new Frames();
  private readonly scrolls = new Map<number, readonly [x: number, y: number]>();
  private focused: Element | null = null;
  private selection: Selection | null = null;

  constructor(
    private readonly view: Window & typeof globalThis,
    private readonly audience: Audience,
  ) {
    this.styles = new Styles(view, this.pictures);
    const { tree, reader, styles, pictures, stills, frames } = this;
    this.builder = new Builder(view, { tree, reader, styles, pictures, stills, frames });
  }

  /** Raises: BadFrame; OtherMode, with nothing applied. */
  apply(bytes: Uint8Array): void {
    const { reader } = this;
    this.seq = reader.begin(bytes);
    while (reader.more) this.op(reader.int());
  }

  /** Where the visitor has scrolled to, after looking around freely. */
  scrollBack(): void {
    for (const [id, [x, y]] of this.scrolls) this.scroll(id, x, y);
  }

  private op(code: number): void {
    if (code <= OP_DET) this.structure(code);
    else if (code <= OP_CHK) this.content(code);
    else if (code <= OP_SEL) this.position(code);
    else if (code <= OP_ADOPT) this.sheet(code);
    else this.rest(code);
  }

  private structure(code: number): void {
    const { reader, tree, builder } = this;
    switch (code) {
      case OP_SNAP:
      case OP_KEY:
        this.begin(code === OP_KEY);
        return;
      case OP_RUN: {
        const home = builder.known(reader.ref()).node;
        const anchor = reader.refOrNone();
        const after = anchor === 0 ? null : builder.known(anchor).node;
        if (after !== null && after.parentNode !== home) throw new BadFrame("anchor");
        builder.list(home, after, false);
        if (this.frames.any) this.frames.check();
        return;
      }
      case OP_REM: {
        const id = reader.ref();
        const shown = tree.get(id);
        if (shown === undefined) return;
        tree.drop(id, (node) => this.styles.drop(node));
        shown.node.parentNode?.removeChild(shown.node);
        return;
      }
      case OP_DET: {
        const { node } = builder.known(reader.ref());
        node.parentNode?.removeChild(node);
        return;
      }
      default:
        throw new BadFrame("op");
    }
  }

  private begin(keyed: boolean): void {
    const { reader, tree, view } = this;
    const { document } = view;
    const flags = reader.int();
    const quirks = (flags & QUIRKS) !== 0;
    if (quirks !== (document.compatMode === "BackCompat") && !this.anyMode) throw new OtherMode(quirks);
    const [url, title] = [reader.text(), reader.text()];
    const [width, height] = [reader.int(), reader.int()];
    const next = keyed ? reader.int() : 2;
    reader.setTable(keyed ? reader.texts() : []);
    this.forget();
    this.styles.device = {
      dark: (flags & DARK) !== 0,
      touch: (flags & TOUCH) !== 0,
      calm: (flags & CALM) !== 0,
    };
    this.styles.ownScheme((flags & DARK_PAGE) !== 0);
    // Without its doctype too: the mode stays, and nothing can come before it.
    document.replaceChildren();
    tree.add(1, { node: document, text: "", attributes: null, tag: "", flags: 0 });
    reader.joins = !keyed;
    this.builder.list(document, null, keyed);
    tree.next = Math.max(next, tree.next);
    this.audience.held(0);
    this.audience.begun(this.styles.device.touch, !keyed);
    this.audience.page(url, title);
    this.audience.view({ width, height, scale: 1, offsetX: 0, offsetY: 0 });
  }

  private forget(): void {
    this.tree.clear();
    this.pictures.clear();
    this.styles.clear();
    this.scrolls.clear();
    this.stills.clear();
    this.frames.clear();
    this.focused = null;
    this.selection = null;
  }

  private content(code: number): void {
    const { reader, builder } = this;
    const shown = builder.known(reader.ref());
    switch (code) {
      case OP_ATTR: {
        const name = reader.slot();
        builder.set(shown, name, reader.slot());
        return;
      }
      case OP_ADEL:
        builder.remove(shown, reader.slot());
        return;
      case OP_ASPL: {
        const name = reader.slot();
        builder.set(shown, name, this.spliced(shown.attributes?.get(name) ?? ""));
        return;
      }
      case OP_TEXT:
      case OP_TSPL:
        shown.text = code === OP_TEXT ? reader.text() : this.spliced(shown.text);
        if (shown.node.nodeType !== 3) throw new BadFrame("text");
        (shown.node as Text).data = shown.text;
        return;
      case OP_VAL:
        builder.value(shown, reader.text());
        return;
      case OP_VSPL:
        builder.value(shown, this.spliced(shown.text));
        return;
      default:
        builder.check(shown, reader.int());
    }
  }

  private spliced(old: string): string {
    const head = this.reader.int();
    const tail = this.reader.int();
    const middle = this.reader.text();
    if (head < 0 || tail < 0 || head + tail > old.length) throw new BadFrame("splice");
    return old.slice(0, head) + middle + old.slice(old.length - tail);
  }

  private position(code: number): void {
    const { reader } = this;
    if (code === OP_SCR) {
      const id = reader.ref();
      const [x, y] = [reader.int(), reader.int()];
      this.scrolls.set(id, [x, y]);
      if (this.follows) this.scroll(id, x, y);
    } else if (code === OP_FOC) {
      this.focus(reader.int());
    } else {
      this.select(reader.int(), reader.int(), reader.int(), reader.int());
    }
  }

  private scroll(id: number, x: number, y: number): void {
    const node = this.tree.get(id)?.node;
    if (node === undefined) return;
    if (node.nodeType === 9) (node as Document).defaultView?.scrollTo(x, y);
    else if (node.nodeType === 1) (node as Element).scrollTo(x, y);
  }

  private focus(id: number): void {
    this.focused?.removeAttribute("data-tn-focus");
    const node = this.tree.get(id)?.node;
    this.focused = node?.nodeType === 1 ? (node as Element) : null;
    this.focused?.setAttribute("data-tn-focus", "");
  }

  private select(anchor: number, from: number, focus: number, to: number): void {
    const [begin, end] = [this.tree.get(anchor)?.node, this.tree.get(focus)?.node];
    this.selection?.removeAllRanges();
    this.selection = null;
    if (begin?.nodeType !== 3 || end?.nodeType !== 3) return;
    // Each document has its own: a frame's is not the page's.
    this.selection = begin.ownerDocument?.getSelection() ?? null;
    const within = (node: Node, offset: number) => Math.min(offset, (node as Text).length);
    this.selection?.setBaseAndExtent(begin, within(begin, from), end, within(end, to));
  }

  private sheet(code: number): void {
    const { reader, styles } = this;
    if (code === OP_ADOPT) {
      const root = this.builder.known(reader.ref()).node as Document | ShadowRoot;
      styles.adopt(root, reader.ints());
      return;
    }
    const number = reader.int();
    const next = reader.int();
    if (code === OP_SHEET) {
      const disabled = reader.int() === 1;
      const owner = this.tree.get(next)?.node;
      styles.set(number, owner?.nodeType === 1 ? (owner as Element) : null, disabled, reader.text());
    } else if (code === OP_RADD) styles.insert(number, next, reader.text());
    else if (code === OP_RSET) styles.replace(number, next, reader.text());
    else if (code === OP_RDEL) styles.remove(number, next);
    else if (code === OP_SDIS) styles.disable(number, next === 1);
  }

  private rest(code: number): void {
    const { reader, audience } = this;
    switch (code) {
      case OP_TOP:
        this.top(this.builder.known(reader.ref()).node as HTMLElement, reader.int());
        return;
      case OP_MEDIA:
        this.playing();
        return;
      case OP_IMG:
        this.stills.show(
          this.builder.known(reader.ref()).node as HTMLElement,
          reader.text(),
          reader.binary(),
        );
        return;
      case OP_ASSET: {
        const number = reader.int();
        this.pictures.arrived(number, reader.text());
        reader.text();
        return;
      }
      case OP_PTR:
        audience.pointer(reader.int(), reader.int(), reader.int());
        return;
      case OP_VIEW: {
        const [width, height, scale] = [reader.int(), reader.int(), reader.number()];
        audience.view({ width, height, scale, offsetX: reader.number(), offsetY: reader.number() });
        return;
      }
      case OP_PAGE: {
        const url = reader.text();
        audience.page(url, reader.text());
        return;
      }
      case OP_NOTE:
        audience.note(NOTES[reader.int()] ?? "image");
        reader.int();
        return;
      case OP_HASH:
        reader.int();
        reader.int();
        reader.int();
        return;
      case OP_HOLD:
        audience.held(reader.int());
        return;
      case OP_VIS:
        reader.int();
        return;
      default:
        throw new BadFrame("op");
    }
  }

  /** 1 dialog, 2 modal dialog, 3 popover: the browser's own top layer. */
  private top(element: HTMLElement, layer: number): void {
    try {
      const dialog = element as HTMLDialogElement;
      if (layer === 3) element.showPopover();
      else if (layer === 0 && element.hasAttribute("popover")) element.hidePopover();
      else if (element.localName === "dialog") {
        // Without its attribute it may be on top all the same.
        if (!dialog.open && dialog.matches(":modal")) dialog.setAttribute("open", "");
        if (dialog.open) dialog.close();
        if (layer === 2) dialog.showModal();
        else if (layer === 1) dialog.show();
      }
    } catch {
      // It is where it should be already, or this browser has no such layer.
    }
  }

  private playing(): void {
    const { reader } = this;
    const id = reader.ref();
    this.builder.known(id);
    const flags = reader.int();
    const [at_s, rate] = [reader.number(), reader.number()];
    this.audience.media(id, { paused: (flags & 1) !== 0, muted: (flags & 2) !== 0, at_s, rate });
  }
}
