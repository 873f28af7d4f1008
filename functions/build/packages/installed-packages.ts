/** The packages that a bundle may be made of, as the compiler sees them. */

import { markModule } from "./package-paths.ts";
import { type ImportStyle, PackageResolver } from "./package-resolver.ts";

const decoder = new TextDecoder();

export class InstalledPackages {
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #resolver: PackageResolver;
  /** Whether something that was read may use AsyncLocalStorage. */
  namesAsyncHooks = false;

  constructor(uploaded: ReadonlyMap<string, string>, files: ReadonlyMap<string, Uint8Array>) {
    this.#files = files;
    this.#resolver = new PackageResolver(new Map<string, string | Uint8Array>([...files, ...uploaded]));
  }

  /** What a name means in a file of the upload or of a package. */
  resolve(importer: string, specifier: string, style: ImportStyle): string | undefined {
    return this.#resolver.resolve(importer, specifier, style);
  }

  /** As esbuild is told of it. */
  describe(path: string): { path: string; sideEffects: boolean } {
    const isMarked = path.endsWith(".js") && this.#resolver.isModule(path);
    return { path: isMarked ? markModule(path) : path, sideEffects: !this.#resolver.isPure(path) };
  }

  filesBeside(path: string): readonly string[] {
    return this.#resolver.filesBeside(path);
  }

  read(path: string): string | undefined {
    const bytes = this.#files.get(path);
    if (bytes === undefined) return undefined;
    const source = decoder.decode(bytes);
    this.namesAsyncHooks ||= source.includes("async_hooks");
    return source;
  }
}
