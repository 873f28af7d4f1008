/**
 * Finds what a bare name means among installed packages, as Node and bundlers for it do: `exports` and `imports` with
 * their conditions, `main` and `module`, folders further up. It sees the files it is given and no disk.
 */
import { posix } from "node:path";
import enhancedResolve from "enhanced-resolve";
import { folderOfPackage, isInstalled } from "./package-paths.ts";

export type ImportStyle = "import" | "require";

type Contents = string | Uint8Array;
type Resolver = ReturnType<typeof enhancedResolve.ResolverFactory.createResolver>;

/** What `esbuild --platform=node --conditions=worker,browser` goes by. */
const CONDITIONS = ["worker", "browser", "node", "module"];

export class PackageResolver {
  readonly #files: ReadonlyMap<string, Contents>;
  readonly #resolvers: Record<ImportStyle, Resolver>;
  readonly #manifests = new Map<string, Record<string, unknown>>();
  readonly #filesOf: Map<string, string[]>;

  /** @param files of the upload, and installed ones */
  constructor(files: ReadonlyMap<string, Contents>) {
    this.#files = files;
    this.#filesOf = Map.groupBy(files.keys(), folderOfPackage);
    const fileSystem = inMemoryFileSystem(files);
    const createResolver = (style: ImportStyle) =>
      enhancedResolve.ResolverFactory.createResolver({
        fileSystem,
        useSyncFileSystemCalls: true,
        symlinks: false,
        conditionNames: [...CONDITIONS, style],
        mainFields: ["main", "module"],
        extensions: [".js", ".jsx", ".json", ".ts", ".tsx"],
      });
    this.#resolvers = { import: createResolver("import"), require: createResolver("require") };
  }

  /** The file that it is, or undefined. */
  resolve(importer: string, specifier: string, style: ImportStyle): string | undefined {
    try {
      const found = this.#resolvers[style].resolveSync(posix.join("/", posix.dirname(importer)), specifier);
      const path = found === false ? undefined : found.slice(1);
      return path !== undefined && this.#files.has(path) ? path : undefined;
    } catch {
      return undefined;
    }
  }

  /** All files of the package that a file is of. */
  filesBeside(path: string): readonly string[] {
    return this.#filesOf.get(folderOfPackage(path)) ?? [];
  }

  /** Whether Node takes a `.js` there for an ES module. */
  isModule(path: string): boolean {
    return isInstalled(path) && this.#manifestOf(path)["type"] === "module";
  }

  /** Whether it may be left out where nobody uses what it exports. */
  isPure(path: string): boolean {
    return isInstalled(path) && this.#manifestOf(path)["sideEffects"] === false;
  }

  /** Of the nearest folder that has one. */
  #manifestOf(path: string): Record<string, unknown> {
    const root = folderOfPackage(path);
    let folder = posix.dirname(path);
    while (folder !== root && folder.length > root.length && !this.#files.has(`${folder}/package.json`))
      folder = posix.dirname(folder);
    const known = this.#manifests.get(folder);
    if (known) return known;
    const manifest = readManifest(this.#files.get(`${folder}/package.json`));
    this.#manifests.set(folder, manifest);
    return manifest;
  }
}

function toBuffer(contents: Contents): Buffer {
  return typeof contents === "string"
    ? Buffer.from(contents)
    : Buffer.from(contents.buffer as ArrayBuffer, contents.byteOffset, contents.byteLength);
}

function readManifest(contents: Contents | undefined): Record<string, unknown> {
  if (contents === undefined) return {};
  try {
    const parsed: unknown = JSON.parse(toBuffer(contents).toString());
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

type FileSystem = NonNullable<enhancedResolve.ResolveOptionsOptionalFS["fileSystem"]>;

function inMemoryFileSystem(files: ReadonlyMap<string, Contents>): FileSystem {
  const folders = new Set(["/"]);
  for (const path of files.keys()) {
    for (let folder = posix.dirname(`/${path}`); !folders.has(folder); folder = posix.dirname(folder))
      folders.add(folder);
  }
  const nothing = (path: string) => Object.assign(new Error(`There is no ${path}`), { code: "ENOENT" });
  const stat = (isFile: boolean) => ({ isFile: () => isFile, isDirectory: () => !isFile });
  const fileSystem = {
    statSync(path: string) {
      if (files.has(path.slice(1))) return stat(true);
      if (folders.has(path)) return stat(false);
      throw nothing(path);
    },
    readFileSync(path: string) {
      const contents = files.get(path.slice(1));
      if (contents === undefined) throw nothing(path);
      return toBuffer(contents);
    },
    readdirSync: () => [],
    readlinkSync(path: string): string {
      throw nothing(path);
    },
  };
  // With `useSyncFileSystemCalls` nothing else of it is used.
  return fileSystem as unknown as FileSystem;
}
