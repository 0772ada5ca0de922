import { describe, expect, it } from "vitest";
import { Pictures } from "../src/viewer/pictures.ts";
import { Styles } from "../src/viewer/styles.ts";
import { ShownTree } from "../src/viewer/tree.ts";

const shown = (node: Node) => ({ node, text: "", attributes: null, tag: "", flags: 0 });

function style(home: Element): HTMLStyleElement {
  const element = document.createElement("style");
  home.append(element);
  return element;
}

describe("sheets of a page that changes for hours", () => {
  it("go with the elements that they belonged to", () => {
    const styles = new Styles(window as never, new Pictures());
    const tree = new ShownTree();
    for (let route = 0; route < 50; route += 1) {
      const part = document.createElement("section");
      document.body.append(part);
      const [id, inner] = [tree.next, style(part)];
      tree.add(id, shown(part));
      tree.add(id + 1, shown(inner));
      styles.set(route + 1, inner, false, "p{color:red}");
      expect(styles.size).toBe(1);
      tree.drop(id, (node) => styles.drop(node));
      part.remove();
      expect(styles.size).toBe(0);
    }
  });

  it("are one for an element that got another one in another place", () => {
    const styles = new Styles(window as never, new Pictures());
    const element = style(document.body);
    for (let number = 1; number < 20; number += 1) styles.set(number, element, false, "p{color:red}");
    styles.set(19, element, false, "p{color:blue}");
    expect(styles.size).toBe(1);
    expect(element.textContent).toContain("blue");
  });
});
