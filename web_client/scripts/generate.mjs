// Turns packages/protocol/schema.json into src/generated.ts. It only translates shapes: ranges and
// patterns do not survive, the server alone enforces them. What a client sends keeps optional fields
// optional; what the server sends always carries all its fields (only Ack leaves out what it has not).
import { readFileSync, writeFileSync } from "node:fs";

const home = new URL("../packages/protocol/", import.meta.url);
const schema = JSON.parse(readFileSync(new URL("schema.json", home), "utf8"));
const defs = schema.$defs;
const nameOf = (ref) => ref.slice("#/$defs/".length);

function reach(roots) {
  const seen = new Set();
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (typeof node.$ref === "string") {
      const name = nameOf(node.$ref);
      if (!seen.has(name)) {
        seen.add(name);
        visit(defs[name]);
      }
    }
    for (const value of Object.values(node)) visit(value);
  };
  visit(roots);
  return seen;
}

const sent = reach({ commands: schema.commands, requests: schema.requests });
sent.add("Ack");
const tags = new Map(
  [...Object.entries(schema.commands), ...Object.entries(schema.events)].map(([tag, ref]) => [
    nameOf(ref.$ref),
    tag,
  ]),
);
const unions = new Map();

function typeOf(node) {
  if (node.$ref) return nameOf(node.$ref);
  if (node.enum) return node.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (node.anyOf) {
    const text = node.anyOf.map(typeOf).join(" | ");
    if (node.discriminator?.propertyName === "kind") {
      unions.set("TimelineItem", text);
      return "TimelineItem";
    }
    return text;
  }
  if (node.type === "array") {
    const item = typeOf(node.items ?? {});
    return item.includes(" ") ? `(${item})[]` : `${item}[]`;
  }
  const plain = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };
  return plain[node.type] ?? "unknown";
}

function doc(text, indent = "") {
  if (!text) return "";
  return `${indent}/** ${text
    .split("\n")
    .map((line) => line.trim())
    .join(`\n${indent} * `)} */\n`;
}

function interfaceOf(name) {
  const def = defs[name];
  const required = new Set(def.required ?? []);
  const fields = Object.entries(def.properties ?? {})
    .filter(([key]) => !(tags.has(name) && key === "type"))
    .map(([key, node]) => {
      const optional = sent.has(name) && !required.has(key) ? "?" : "";
      return `  ${key}${optional}: ${typeOf(node)};\n`;
    });
  return `${doc(def.description)}export interface ${name} {\n${fields.join("")}}\n`;
}

function mapOf(name, comment, entries) {
  const rows = Object.entries(entries).map(
    ([tag, ref]) => `  ${JSON.stringify(tag)}: ${nameOf(ref.$ref)};\n`,
  );
  return `${doc(comment)}export interface ${name} {\n${rows.join("")}}\n`;
}

const bodies = Object.keys(defs).map(interfaceOf);
const durable = Object.entries(schema.commands)
  .filter(([, ref]) => "counter" in defs[nameOf(ref.$ref)].properties)
  .map(([tag]) => JSON.stringify(tag));

const out = [
  "// Generated from schema.json by scripts/generate.mjs (npm run generate). Do not edit.\n",
  ...Object.entries(schema.limits).map(([name, value]) => `export const ${name} = ${value};\n`),
  ...bodies,
  ...[...unions].map(([name, text]) => `export type ${name} = ${text};\n`),
  mapOf("CommandPayloads", "Body of each command by its wire name.", schema.commands),
  mapOf("ServerEventPayloads", "Body of each server event by its wire name.", schema.events),
  "export type CommandName = keyof CommandPayloads;\n",
  "export type ServerEventName = keyof ServerEventPayloads;\n",
  "export type AnyCommand = { [N in CommandName]: { type: N } & CommandPayloads[N] }[CommandName];\n",
  "export type AnyServerEvent = { [N in ServerEventName]: { type: N } & ServerEventPayloads[N] }[ServerEventName];\n",
  doc("Commands that are numbered, kept until acked and repeated with the same counter."),
  `export const DURABLE = [${durable.join(", ")}] as const;\n`,
  "export type DurableName = (typeof DURABLE)[number];\n",
  doc("All server events a client subscribes to."),
  `export const SERVER_EVENTS = [${Object.keys(schema.events)
    .map((tag) => JSON.stringify(tag))
    .join(", ")}] as const;\n`,
];
writeFileSync(new URL("src/generated.ts", home), out.join("\n").replaceAll("*/\n\nexport", "*/\nexport"));
