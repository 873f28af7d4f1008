/** Stacks of a built script, told in the author's own files and lines by the revision's source map. */
import { SourceMap, type SourceMapPayload } from "node:module";
import { FUNCTION_FILENAME } from "../../functions/guest/limits.ts";
import { ByteLru } from "../sandbox/byte-lru.ts";

/** Of maps as text; read, they take a few times as much. */
const MAX_KEPT_BYTES = 16_000_000;
/** The executor puts this before the script, on the script's first line. */
const WRAPPER_CHARS = "(function (module, exports) {".length;
const PLACE = new RegExp(`${FUNCTION_FILENAME.replaceAll(".", "\\.")}:(\\d{1,9}):(\\d{1,9})`, "g");

export type StackMapper = (revisionId: string, stack: string) => Promise<string>;

/**
 * `load` gives a revision's source map as JSON, undefined where it has none to give. A stack whose map cannot be had
 * stays as it is.
 */
export function createStackMapper(load: (revisionId: string) => Promise<string | undefined>): StackMapper {
  const kept = new ByteLru<SourceMap>(MAX_KEPT_BYTES);

  async function mapOf(revisionId: string): Promise<SourceMap | undefined> {
    const known = kept.get(revisionId);
    if (known) return known;
    const json = await load(revisionId).catch(() => undefined);
    if (json === undefined) return undefined;
    const { sourcesContent: _texts, ...payload } = JSON.parse(json) as SourceMapPayload;
    const map = new SourceMap(payload as SourceMapPayload);
    kept.set(revisionId, map, json.length);
    return map;
  }

  return async (revisionId, stack) => {
    if (!stack.includes(FUNCTION_FILENAME)) return stack;
    const map = await mapOf(revisionId);
    return map ? mapStack(stack, map) : stack;
  };
}

/** Lines and columns count from 1 in stacks, from 0 in maps. */
export function mapStack(stack: string, map: SourceMap): string {
  return stack.replaceAll(PLACE, (place, line: string, column: string) => {
    const before = line === "1" ? WRAPPER_CHARS : 0;
    const entry = map.findEntry(Number(line) - 1, Math.max(0, Number(column) - 1 - before));
    if (!("originalSource" in entry)) return place;
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}
