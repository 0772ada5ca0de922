// Builds the small apps that the browser tests share: `node apps/build.mjs DIRECTORY`.
import { fileURLToPath } from "node:url";
import { compile } from "svelte/compiler";
import { build } from "vite";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const svelte = {
  name: "svelte",
  transform: (code, id) =>
    id.endsWith(".svelte") ? compile(code, { filename: id, generate: "client" }).js : undefined,
};

for (const name of ["plain", "react", "vue", "svelte"])
  await build({
    configFile: false,
    logLevel: "warn",
    clearScreen: false,
    plugins: [svelte],
    resolve: { conditions: ["browser", "module", "import", "default"] },
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      outDir: process.argv[2],
      emptyOutDir: false,
      target: "es2022",
      lib: { entry: at(`./${name}.js`), formats: ["iife"], name: "App", fileName: () => `${name}.js` },
    },
  });
