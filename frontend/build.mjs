// Builds each page script as one self-contained ES module with a stable name.
// One build per entry: a shared chunk would be imported by its unhashed name, which the static files
// storage of the server does not rewrite, so a browser could mix two releases.
import { readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = dirname(fileURLToPath(import.meta.url));
const outDir = resolve(process.argv[2] ?? join(root, "dist"), "portal");

rmSync(outDir, { recursive: true, force: true });
process.on("uncaughtException", (error) => {
  // In one line, since set-up shows one; without colours and without the drawing of the source that follows.
  const text = error.message.replace(/\x1b\[[0-9;]*m/g, "").split("╭")[0];
  console.error(`error: ${text.replace(/\s+/g, " ").trim()}`);
  process.exit(1);
});
for (const file of readdirSync(join(root, "src")).filter((name) => /\.tsx?$/.test(name))) {
  const name = file.replace(/\.tsx?$/, "");
  await build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      modulePreload: false,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: {
        input: { [name]: join(root, "src", file) },
        output: { format: "es", entryFileNames: "[name].js", assetFileNames: "[name][extname]", codeSplitting: false },
      },
    },
  });
}
