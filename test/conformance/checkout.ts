/** A checkout of web-platform-tests as it lies on the disk. */
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { isCandidate } from "./folders.ts";
import { parseMeta, type TestMeta } from "./test-file.ts";

export interface TestFile {
  /** Relative to the checkout, with forward slashes. */
  path: string;
  source: string;
  meta: TestMeta;
}

export interface Script {
  path: string;
  source: string;
}

/** A file that tests read by `fetch`, by its path from the checkout's root. */
export interface DataFile {
  path: string;
  bytes: Buffer;
}

const MAX_DATA_BYTES = 4_000_000;
/** Names that the tests' own server answers with another file. */
const ALIASES: Record<string, string> = { "resources/WebIDLParser.js": "resources/webidl2/lib/webidl2.js" };
const DATA_LITERAL = /["'`]([^"'`\n]{1,200}\.(?:json|webm|vtt))["'`]/g;
const NAME_LITERAL = /["']([\w-]+)["']/g;

export class Checkout {
  readonly #root: string;
  readonly #sources = new Map<string, string>();

  /** Throws where the folder holds no test harness. */
  constructor(root: string) {
    this.#root = root;
    if (!existsSync(join(root, "resources/testharness.js"))) {
      throw new Error(`${root} is no checkout of web-platform-tests: it has no resources/testharness.js.`);
    }
  }

  /** The test files under a folder, in order of their paths. */
  list(folder: string): TestFile[] {
    const paths = globSync("**/*.js", { cwd: join(this.#root, folder) }).map((name) =>
      posix.join(folder, name),
    );
    return paths
      .filter(isCandidate)
      .sort()
      .map((path) => {
        const source = this.#read(path);
        return { path, source, meta: parseMeta(source) };
      });
  }

  /** The scripts a test file needs before it, the harness first. Throws for one that is not there. */
  scriptsOf({ path, meta }: TestFile): Script[] {
    const named = meta.scripts.map((script) => resolveIn(path, script));
    const paths = ["resources/testharness.js", ...named.filter((name) => !isHarness(name))];
    return paths.map((script) => ({ path: script, source: this.#read(script) }));
  }

  /**
   * The static files that a test or its scripts name and the realm's `fetch` shall answer with; none where its
   * answers are what is tested.
   */
  dataOf(file: TestFile, scripts: readonly Script[]): DataFile[] {
    if (file.path.startsWith("fetch/api/response/")) return [];
    const paths = new Set<string>();
    for (const { source } of [file, ...scripts.slice(1)]) {
      for (const [, literal] of source.matchAll(DATA_LITERAL)) paths.add(resolveIn(file.path, literal!));
    }
    if (isIdlTest(file)) {
      for (const [, name] of file.source.matchAll(NAME_LITERAL)) paths.add(`interfaces/${name}.idl`);
    }
    return [...paths].filter((path) => this.#isData(path)).map((path) => this.#data(path));
  }

  #isData(path: string): boolean {
    const stats = statSync(join(this.#root, path), { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size <= MAX_DATA_BYTES;
  }

  #data(path: string): DataFile {
    return { path, bytes: readFileSync(join(this.#root, path)) };
  }

  #read(path: string): string {
    let source = this.#sources.get(path);
    if (source === undefined) {
      source = readFileSync(join(this.#root, ALIASES[path] ?? path), "utf8");
      this.#sources.set(path, source);
    }
    return source;
  }
}

/** A reference as a page at `from` would resolve it, without its query. */
export function resolveIn(from: string, reference: string): string {
  const path = reference.replace(/[?#].*$/s, "");
  const joined = path.startsWith("/") ? path : posix.join("/", posix.dirname(from), path);
  return posix.normalize(joined).slice(1);
}

/** Tests of interfaces against their IDL. */
export function isIdlTest({ path }: Pick<TestFile, "path">): boolean {
  return posix.basename(path).startsWith("idlharness");
}

function isHarness(path: string): boolean {
  return path === "resources/testharness.js" || path === "resources/testharnessreport.js";
}
