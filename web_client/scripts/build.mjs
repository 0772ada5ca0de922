// Builds into server/web/: assets/* (widget and call code, hashed names), desk/ (the agents' page),
// then talknow.js, the loader, which has the hashed names compiled in. It must write nothing else.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { privateMembers } from "./private-names.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// Second argument: another directory to write to (the tests of the size budgets).
const target = process.argv[3] ? `${process.argv[3]}/` : at("../../server/web/");
const common = {
  configFile: false,
  logLevel: "warn",
  clearScreen: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
};

async function buildWidget() {
  const result = await build({
    ...common,
    root: at("../packages/widget"),
    plugins: [privateMembers(at("../packages/cobrowse/src/"))],
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    base: "./",
    build: {
      outDir: target,
      emptyOutDir: false,
      target: "es2022",
      // As a library: imports stay plain imports, without a helper that would preload styles first.
      lib: {
        entry: {
          widget: at("../packages/widget/src/main.tsx"),
          call: at("../packages/widget/src/call.ts"),
          recorder: at("../packages/cobrowse/src/recorder/index.ts"),
          together: at("../packages/cobrowse/src/together/index.ts"),
        },
        formats: ["es"],
      },
      rollupOptions: {
        // Other chunks may import what an entry has already loaded.
        preserveEntrySignatures: "allow-extension",
        // Numbers of the protocol are written where they are used: no chunk has to be loaded for them.
        optimization: { inlineConst: { mode: "all" } },
        checks: { pluginTimings: false },
        output: {
          minify: true,
          comments: false,
          entryFileNames: "assets/[name]-[hash].js",
          chunkFileNames: "assets/[name]-[hash].js",
          assetFileNames: "assets/[name]-[hash][extname]",
        },
      },
    },
  });
  const [{ output }] = result;
  const chunks = output.filter((part) => part.type === "chunk");
  const withImports = (name) => {
    const files = new Set();
    const add = (file) => {
      if (files.has(file)) return;
      files.add(file);
      for (const next of chunks.find((chunk) => chunk.fileName === file)?.imports ?? []) add(next);
    };
    add(chunks.find((chunk) => chunk.isEntry && chunk.name === name).fileName);
    return [...files];
  };
  return { widget: withImports("widget"), call: withImports("call") };
}

async function buildDesk() {
  await build({
    ...common,
    root: at("../packages/desk"),
    base: "/desk/",
    build: {
      outDir: `${target}desk`,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: { polyfill: false },
    },
  });
}

/** The page on the viewer's own origin: our decoder, a style sheet and nothing else. */
async function buildViewer() {
  const home = at("../packages/cobrowse/viewer/");
  await build({
    ...common,
    root: home,
    build: {
      outDir: `${target}viewer`,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      lib: {
        entry: at("../packages/cobrowse/src/viewer/outer.ts"),
        formats: ["iife"],
        name: "TalkNowViewer",
        fileName: () => "viewer.js",
      },
    },
  });
  for (const name of ["viewer.html", "viewer.css"]) copyFileSync(`${home}${name}`, `${target}viewer/${name}`);
}

/** A small script of its own. */
async function buildScript(entry, name, define = {}) {
  const result = await build({
    ...common,
    root: at("../packages/widget"),
    define,
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      lib: { entry: at(`../packages/widget/src/${entry}`), formats: ["iife"], name },
    },
  });
  const [{ output }] = Array.isArray(result) ? result : [result];
  return output[0].code;
}

async function buildLoader(manifest) {
  const define = { __WIDGET__: JSON.stringify(manifest.widget), __CALL__: JSON.stringify(manifest.call) };
  writeFileSync(`${target}talknow.js`, await buildScript("loader.ts", "TalkNowLoader", define));
  return createHash("sha256")
    .update(readFileSync(`${target}talknow.js`))
    .digest("hex")
    .slice(0, 12);
}

const only = process.argv[2] ?? "all";
mkdirSync(target, { recursive: true });
if (only === "all" || only === "widget") {
  rmSync(`${target}assets`, { recursive: true, force: true });
  const manifest = await buildWidget();
  const loader = await buildLoader(manifest);
  writeFileSync(`${target}bridge.js`, await buildScript("bridge-page.ts", "TalkNowBridge"));
  writeFileSync(`${target}manifest.json`, `${JSON.stringify({ ...manifest, loader }, null, 1)}\n`);
}
if ((only === "all" || only === "desk") && existsSync(at("../packages/desk/src/main.tsx"))) await buildDesk();
if (only === "all" || only === "viewer") await buildViewer();
