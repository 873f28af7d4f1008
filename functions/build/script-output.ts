/** What esbuild wrote, as a script and its map, where it is no longer than it may be. */
import type { OutputFile } from "esbuild";

/** Thrown before anything is made of what was written: as text it would be held several times over. */
export class ScriptTooLarge extends Error {
  readonly bytes: number;

  constructor(bytes: number) {
    super(`The script takes ${bytes} bytes.`);
    this.bytes = bytes;
  }
}

/** Throws `ScriptTooLarge`. */
export function readScript(files: readonly OutputFile[], maxBytes: number): { code: string; map: string } {
  const [code, map] = [".js", ".map"].map((end) => files.find(({ path }) => path.endsWith(end)));
  requireSize(code?.contents.byteLength ?? 0, maxBytes);
  return { code: code?.text ?? "", map: map?.text ?? "" };
}

/** Throws `ScriptTooLarge`. */
export function requireSize(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw new ScriptTooLarge(bytes);
}
