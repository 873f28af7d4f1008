/** Makes the program in cli/dist: one file that runs on Node 20. */
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(import.meta.dirname, "dist");

/** What CommonJS packages ask for by require. */
const BANNER = `#!/usr/bin/env node
import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url);`;

async function buildCli(): Promise<void> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["cli/main.ts"],
    outfile: join(DIST, "bellhop.mjs"),
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: "node20",
    banner: { js: BANNER },
    legalComments: "inline",
    define: {
      BELLHOP_AUTHOR_TYPES: JSON.stringify(await readFile(join(ROOT, "functions", "bellhop.d.ts"), "utf8")),
    },
    // It is native, and the author's own is the one to take (bundle/load-esbuild.ts).
    external: ["esbuild"],
  });
  await mkdir(DIST, { recursive: true });
  // scripts/setup.mjs makes the program anew when one of these is newer.
  await writeFile(
    join(DIST, "inputs.json"),
    JSON.stringify([...Object.keys(metafile.inputs), "functions/bellhop.d.ts"]),
  );
  for (const { path, contents } of outputFiles) {
    const draft = `${path}.${process.pid}`;
    await writeFile(draft, contents);
    await chmod(draft, 0o755);
    await rename(draft, path);
  }
}

await buildCli();
process.stdout.write(`${relative(process.cwd(), join(DIST, "bellhop.mjs"))}\n`);
