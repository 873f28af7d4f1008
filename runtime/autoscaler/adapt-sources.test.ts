import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { adaptSources } from "./adapt-sources.ts";

test("a source that asks its module for what the bundle would answer wrongly is not bundled", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-adapted-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "source.ts");
  const bundle = async (source: string) => {
    await writeFile(file, source);
    const options = { write: false, bundle: true, format: "esm", logLevel: "silent" } as const;
    const { outputFiles } = await build({
      ...options,
      entryPoints: [file],
      plugins: [adaptSources(() => "false")],
    });
    return outputFiles[0]!.text;
  };
  const told = await bundle('console.log(import.meta.url, import.meta.main, "import.meta.dirname");');
  assert.ok(told.includes(`console.log("${pathToFileURL(file).href}", false, "import.meta.dirname")`), told);
  for (const name of ["dirname", "filename", "resolve"])
    await assert.rejects(
      bundle(`console.log(import.meta.${name});`),
      new RegExp(`import.meta.${name} would be`),
    );
});
