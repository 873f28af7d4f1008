/** The worker's program in a few files, made to start fast: it holds what a start needs, and the rest beside it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BuildOptions, Plugin } from "esbuild";
import { prepareGuestSnapshot } from "../../functions/guest/build/guest-snapshot.ts";
import { addonPath } from "../sandbox/parent/executor-command.ts";
import { findExecutorLibraries } from "../sandbox/walls/standing-walls.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKER_MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const ENTRY = fileURLToPath(new URL("worker-entry.ts", import.meta.url));

/**
 * Large, and of no use to a start: each is a file of its own, loaded when a name of it is first read. By then the folder may
 * be gone, cleared away as temporary files are or by the next autoscaler after this one was killed: what the sources
 * use is found then.
 */
const LATE_PACKAGES = ["undici", "cron-parser", "rrule-temporal", "nodemailer"];

/** Imports of what is first used long after the start. They get no file of their own, for there is nothing else to take. */
const LATE_IMPORTS = /\bimport\("(\.\/egress\.ts|\.\/kv-ask\.ts|nodemailer)"\)/g;

/** Makes it in the folder; the paths of its files, the one to start first. */
export async function bundleWorkerProgram(folder: string): Promise<[string, ...string[]]> {
  const names = await Promise.all(LATE_PACKAGES.map(listExports));
  // Loaded here: the autoscaler needs it once. Its own process ends with the build.
  const { build, stop } = await import("esbuild");
  const options: BuildOptions = {
    absWorkingDir: ROOT,
    outdir: folder,
    bundle: true,
    platform: "node",
    target: "node24",
    // Half of its size, which is read and looked through at each start. Names stay as they are.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    logLevel: "silent",
  };
  const latePackages = LATE_PACKAGES.map((name, index) => ({
    name,
    file: join(folder, `late-${index}.cjs`),
    exports: names[index]!,
  }));
  const guestSnapshot = await prepareGuestSnapshot().catch(() => "");
  const whileBuilt = [
    build({
      ...options,
      entryPoints: latePackages.map(({ name }, index) => ({ in: name, out: `late-${index}` })),
      outExtension: { ".js": ".cjs" },
      format: "cjs",
    }),
    build({
      ...options,
      entryPoints: { main: ENTRY },
      outExtension: { ".js": ".mjs" },
      // What is loaded with its first use stays in a file of its own.
      splitting: true,
      format: "esm",
      define: {
        GUEST_SNAPSHOT: JSON.stringify(guestSnapshot),
        LIBRARIES: JSON.stringify(orUndefined(findLibraries)) ?? "undefined",
      },
      // CommonJS packages in it ask for node's modules.
      banner: {
        js: `import { createRequire as toRequire } from "node:module"; const require = toRequire(${JSON.stringify(pathToFileURL(WORKER_MAIN).href)});`,
      },
      plugins: [adaptSources, takeBuiltins, loadLate(latePackages)],
    }),
  ];
  await Promise.all(whileBuilt).finally(stop);
  const main = join(folder, "main.mjs");
  const files = (await readdir(folder)).map((name) => join(folder, name));
  return [main, ...files.filter((file) => file !== main)];
}

/** What the sources may import of it by name. */
async function listExports(name: string): Promise<string[]> {
  return Object.keys((await import(name)) as object).filter(
    (each) => /^\w+$/.test(each) && each !== "default",
  );
}

const findLibraries = () => findExecutorLibraries({ node: process.execPath, addon: addonPath() });

/** Where something cannot be found ahead the workers look for it themselves, and tell why. */
function orUndefined<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

/** Sources find what lies beside them by `import.meta.url`, which in a bundle would be the bundle's. */
const adaptSources: Plugin = {
  name: "adapt-sources",
  setup({ onLoad }) {
    onLoad({ filter: /\/(core|functions|runtime)\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return {
        contents: source
          .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
          .replaceAll(LATE_IMPORTS, (_, name: string) => {
            const required = `require(${JSON.stringify(name)})`;
            const found = name.startsWith(".") ? required : `({ default: ${required} })`;
            return `Promise.resolve().then(() => ${found})`;
          }),
        loader: "ts",
      };
    });
  },
};

/**
 * Modules of node are taken as they are. Whoever imports one as an ES module has every export of it read there and then,
 * and `node:http` answers some of its by loading the whole of node's own `fetch`.
 */
const takeBuiltins: Plugin = {
  name: "take-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "builtin" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};

interface LatePackage {
  name: string;
  file: string;
  exports: string[];
}

/** In place of a package an object of its names; reading one loads it. */
function loadLate(packages: LatePackage[]): Plugin {
  return {
    name: "load-late",
    setup({ onResolve, onLoad }) {
      const byName = new Map(packages.map((late) => [late.name, late]));
      onResolve({ filter: /^[a-z-]+$/ }, ({ path }) =>
        byName.has(path) ? { path, namespace: "late" } : undefined,
      );
      onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => {
        const { file, exports } = byName.get(path)!;
        const getters = exports.map((each) => `get ${each}() { return load().${each}; }`);
        // `requireNow` and not `require`: the bundler is to leave it alone.
        return {
          contents: `
            const requireNow = require;
            let loaded;
            function load() {
              if (loaded) return loaded;
              try {
                loaded = requireNow(${JSON.stringify(file)});
              } catch (error) {
                if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ENOENT") throw error;
                loaded = requireNow(${JSON.stringify(path)});
              }
              return loaded;
            }
            module.exports = { ${getters.join(", ")} };`,
          loader: "js",
        };
      });
    },
  };
}
