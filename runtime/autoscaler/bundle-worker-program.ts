/** The worker's program in a few files, made to start fast: it holds what a start needs, and the rest beside it. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildOptions, Plugin } from "esbuild";
import { prepareGuestSnapshot } from "../../functions/guest/build/guest-snapshot.ts";
import { type ExecutorBundle, readExecutorBundle } from "../sandbox/parent/executor-bundle.ts";
import { addonPath } from "../sandbox/parent/executor-command.ts";
import { findExecutorLibraries } from "../sandbox/walls/standing-walls.ts";
import { adaptPackages } from "./adapt-packages.ts";
import { adaptSources } from "./adapt-sources.ts";
import { rehearseExecutor } from "./rehearse-executor.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKER_MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const ENTRY = fileURLToPath(new URL("worker-entry.ts", import.meta.url));
const LOADER = fileURLToPath(new URL("worker-loader.ts", import.meta.url));

/**
 * Large, and of no use to a start: each is a file of its own, loaded when a name of it is first read. By then the folder may
 * be gone, cleared away as temporary files are or by the next autoscaler after this one was killed: what the sources
 * use is found then.
 */
const LATE_PACKAGES = ["undici", "cron-parser", "rrule-temporal", "nodemailer", "kafkajs"];

/** Of node: what no snapshot can hold, or may hold too much of; loaded when a name of it is first read. */
const LATE_BUILTINS = [
  "child_process",
  "cluster",
  "dns/promises",
  "http",
  "https",
  "module",
  "perf_hooks",
  "worker_threads",
];

export interface WorkerFiles {
  /** To start. */
  main: string;
  /** To make a snapshot of that with. */
  loader: string;
  /** Those and what they need beside them. */
  all: string[];
}

interface BundleParts {
  /** Hears why executors have to compile their program themselves, unless `signal` had it so. */
  onError?: ((error: unknown) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Makes it in the folder. */
export async function bundleWorkerProgram(
  folder: string,
  { onError, signal }: BundleParts = {},
): Promise<WorkerFiles> {
  const packages = await Promise.all(
    LATE_PACKAGES.map(async (name, index): Promise<LateModule> => {
      const file = join(folder, `late-${index}.cjs`);
      return { name, exports: namesOf(await import(name)), load: requireLate(name, file) };
    }),
  );
  const builtins = LATE_BUILTINS.map((name): LateModule => {
    const load = `process.getBuiltinModule(${JSON.stringify(`node:${name}`)})`;
    return { name, exports: namesOf(process.getBuiltinModule(name)!), load };
  });
  // Loaded here: the autoscaler needs it once. Its own process ends with the build.
  const { build, stop } = await import("esbuild");
  const options: BuildOptions = {
    absWorkingDir: ROOT,
    outdir: folder,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    // Half of its size, which is read and looked through at each start. Names stay as they are.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    logLevel: "silent",
  };
  const guestSnapshot = await prepareGuestSnapshot().catch(() => "");
  signal?.throwIfAborted();
  const work = [
    build({
      ...options,
      entryPoints: LATE_PACKAGES.map((name, index) => ({ in: name, out: `late-${index}` })),
    }),
    build({ ...options, entryPoints: { loader: LOADER } }),
    prepareExecutor(folder, guestSnapshot, { onError, signal }).then((executor) =>
      build({
        ...options,
        entryPoints: { main: ENTRY },
        define: {
          GUEST_SNAPSHOT: JSON.stringify(guestSnapshot),
          LIBRARIES: foundAhead(findLibraries),
          ADDON: foundAhead(addonPath),
          EXECUTOR_BUNDLE: foundAhead(() => executor),
        },
        plugins: [
          adaptSources(() => "false"),
          adaptPackages,
          loadLate("late-package", packages),
          loadLate("late-builtin", builtins),
        ],
      }),
    ),
  ];
  await Promise.all(work).finally(async () => {
    // Of what failed nothing writes into the folder any more.
    await Promise.allSettled(work);
    await stop();
  });
  const all = (await readdir(folder)).map((name) => join(folder, name));
  return { main: join(folder, "main.cjs"), loader: join(folder, "loader.cjs"), all };
}

/** With the code of a rehearsal where that comes to its end; undefined: it cannot be read, and workers tell why. */
async function prepareExecutor(
  folder: string,
  guestSnapshot: string,
  { onError, signal }: BundleParts,
): Promise<ExecutorBundle | undefined> {
  const bundle = tryTo(() => readExecutorBundle());
  // Workers make the snapshot that is missing, and tell what is wrong with it.
  if (bundle === undefined || guestSnapshot === "") return bundle;
  try {
    return await rehearseExecutor(folder, { bundle, guestSnapshot }, signal);
  } catch (error) {
    signal?.throwIfAborted();
    onError?.(error);
    return bundle;
  }
}

/** What the sources may import of a module by name. */
const namesOf = (module: object) =>
  Object.keys(module).filter((name) => name !== "default" && /^[A-Za-z_$][\w$]*$/.test(name));

const findLibraries = () => findExecutorLibraries({ node: process.execPath, addon: addonPath() });

/** As an expression. Where something cannot be found ahead the workers look for it themselves, and tell why. */
const foundAhead = (find: () => unknown) => JSON.stringify(tryTo(find)) ?? "undefined";

function tryTo<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

interface LateModule {
  name: string;
  exports: string[];
  /** An expression. */
  load: string;
}

function requireLate(name: string, file: string): string {
  // What a snapshot calls `require` finds modules of node alone.
  return `((requireNow) => {
    try {
      return requireNow(${JSON.stringify(file)});
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ENOENT") throw error;
      return requireNow(${JSON.stringify(name)});
    }
  })(process.getBuiltinModule("node:module").createRequire(${JSON.stringify(WORKER_MAIN)}))`;
}

/** In place of a module an object of its names; reading one loads it. */
function loadLate(namespace: string, modules: LateModule[]): Plugin {
  return {
    name: namespace,
    setup({ onResolve, onLoad }) {
      const byName = new Map(modules.map((late) => [late.name, late]));
      onResolve({ filter: /^[a-z:_/-]+$/ }, ({ path }) => {
        const name = path.replace(/^node:/, "");
        return byName.has(name) ? { path: name, namespace } : undefined;
      });
      onLoad({ filter: /.*/, namespace }, ({ path }) => {
        const { exports, load } = byName.get(path)!;
        const getters = exports.map((name) => `get ${name}() { return load().${name}; }`);
        return {
          contents: `
            let loaded;
            const load = () => loaded ??= ${load};
            module.exports = { ${getters.join(", ")} };`,
          loader: "js",
        };
      });
    },
  };
}
