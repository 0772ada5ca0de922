// A plugin for the build: what TypeScript calls `private` gets a name of one or two letters, which no minifier may
// do by itself. Only where nobody else can see it: `this.name`, the member itself and `const { name } = this`. So do
// some words that nobody else has.
import { parseSync, Visitor } from "vite";

/** In the order in which the minifier takes them for variables: few letters pack best. */
const ALPHABET = [..."etnriaoscludfpmhgvybxwkjqzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const LETTERS = [...ALPHABET, ...ALPHABET.map((letter) => `${letter}0`)];

/** Words of the recorder's own that stand nowhere else, in no library and in no browser: as good as private. */
const OWN =
  "inCss standOf hidesValue isForced isMarked isSilent pageShown learnDirty documentOf byOwner adoptedBy writeSheet " +
  "textOf forgetTable scrolledEarly assetReady maskToo firstNew";
const SHORTER = new Map(OWN.split(" ").map((word, index) => [word, `$${LETTERS[index]}`]));
const OWN_WORD = new RegExp(`\\b(?:${[...SHORTER.keys()].join("|")})\\b`, "g");

/** Every class of the text with its own members, in the order in which classes begin. */
function classesOf(file, code) {
  const found = [];
  const enter = (node) => found.push(node);
  const { program } = parseSync(file, code);
  new Visitor({ ClassDeclaration: enter, ClassExpression: enter }).visit(program);
  return found.sort((one, other) => one.start - other.start);
}

/** Names of the private members of each class; those of the constructor's parameters too. */
function privateNames(file, code) {
  return classesOf(file, code).map(({ body }) => {
    const members = body.body.flatMap((member) =>
      member.kind === "constructor"
        ? member.value.params.filter(({ type }) => type === "TSParameterProperty")
        : [member],
    );
    const nameOf = ({ key, parameter }) => (key ?? parameter.left ?? parameter).name;
    return new Set(members.filter(({ accessibility }) => accessibility === "private").map(nameOf));
  });
}

/** The places in one class where a private member is named: from, to and what stands there instead. */
function placesIn(owner, names) {
  const places = [];
  const at = (node) => {
    if (names.has(node.name)) places.push([node.start, node.end, names.get(node.name)]);
  };
  const pattern = ({ id, init }) => {
    if (init?.type !== "ThisExpression" || id.type !== "ObjectPattern") return;
    for (const { key, shorthand } of id.properties) {
      if (!shorthand) at(key);
      else if (names.has(key.name)) places.push([key.start, key.start, `${names.get(key.name)}: `]);
    }
  };
  const member = ({ object, property, computed }) => {
    if (object.type === "ThisExpression" && !computed) at(property);
  };
  const own = ({ key, computed }) => {
    if (!computed && owner.body.body.some((known) => known.key === key)) at(key);
  };
  const program = {
    type: "Program",
    body: [owner],
    sourceType: "module",
    start: owner.start,
    end: owner.end,
  };
  new Visitor({
    MemberExpression: member,
    VariableDeclarator: pattern,
    PropertyDefinition: own,
    MethodDefinition: own,
  }).visit(program);
  return places;
}

/** A letter for each name that no other member of the class has. */
function shortNames(names, kept) {
  const taken = new Set(kept);
  const short = new Map();
  for (const name of names) {
    const free = LETTERS.find((letter) => !taken.has(letter));
    taken.add(free);
    short.set(name, free);
  }
  return short;
}

/** folder: sources whose private members are renamed. */
export function privateMembers(folder) {
  const known = new Map();
  const ours = (id) => id.startsWith(folder) && id.endsWith(".ts");
  const shorten = (code, owner, names) => {
    const others = owner.body.body.map(({ key }) => key?.name).filter((name) => !names.has(name));
    const often = new Map([...names].map((name) => [name, 0]));
    for (const [from, to] of placesIn(owner, often)) {
      const name = code.slice(from, to);
      if (often.has(name)) often.set(name, often.get(name) + 1);
    }
    const sorted = [...names].sort((one, other) => often.get(other) - often.get(one));
    return placesIn(owner, shortNames(sorted, others));
  };
  return [
    {
      name: "private-members:find",
      enforce: "pre",
      transform: (code, id) => void (ours(id) && known.set(id, privateNames(id, code))),
    },
    {
      name: "private-members:rename",
      enforce: "post",
      transform(code, id) {
        if (!ours(id)) return null;
        const places = classesOf("plain.js", code).flatMap((owner, index) =>
          shorten(code, owner, known.get(id)[index]),
        );
        let out = code;
        for (const [from, to, text] of places.sort((one, other) => other[0] - one[0]))
          out = out.slice(0, from) + text + out.slice(to);
        return { code: out.replace(OWN_WORD, (word) => SHORTER.get(word)), map: null };
      },
    },
  ];
}
