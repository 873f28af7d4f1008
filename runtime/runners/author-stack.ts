/**
 * Stacks of a built script, told in the author's own files and lines by the revision's source map: those of runs that
 * failed, and those that runs log.
 */
import { SourceMap, type SourceMapPayload } from "node:module";
import type { Json, JsonObject } from "../../core/json.ts";
import { AWAITING_ENTRY, FUNCTION_FILENAME, GUEST_FILENAME } from "../../functions/guest/limits.ts";
import { ByteLru } from "../sandbox/parent/byte-lru.ts";

/** Of maps as text; read, they take a few times as much. */
const MAX_KEPT_BYTES = 16_000_000;
/** The executor puts this before the script, on the script's first line. */
const WRAPPER_CHARS = "(function (module, exports) {".length;
/** Of a stack, or of one within JSON, where a backslash and an n stand for it. */
const LINE_END = "(?:\\n|\\\\n)";
/** A frame of what stands around the author's code in the isolate. */
const GUEST_FRAME = new RegExp(
  `${LINE_END}[^\\S\\n]+at (?:[^\\n()\\\\]*\\(${GUEST_FILENAME}:\\d+:\\d+\\)|(?:async )?${GUEST_FILENAME}:\\d+:\\d+)`,
  "g",
);
const OWN_PLACE = `${FUNCTION_FILENAME.replaceAll(".", "\\.")}:(\\d{1,9}):(\\d{1,9})`;
const PLACE = new RegExp(OWN_PLACE, "g");
/** A frame of the built script. */
const SCRIPT_FRAME = new RegExp(
  `(?:^|${LINE_END})[^\\S\\n]*at (?:[^\\n()\\\\]*\\(${OWN_PLACE}\\)|(?:async )?${OWN_PLACE})`,
  "g",
);

export interface StackMapper {
  /** The stack as it is where its map cannot be had. */
  stack(revisionId: string, stack: string): Promise<string>;
  /** Whether a line of a log tells of the built script, or of what stands around it. */
  concerns(line: LoggedText): boolean;
  /** The line in place of what it says, without the guest's own frames. */
  line(revisionId: string, line: LoggedText): Promise<void>;
}

/** What a run said; the object is changed where it stands. */
export interface LoggedText {
  message: string;
  fields?: JsonObject | undefined;
}

/** `load` gives a revision's source map as JSON, undefined where it has none to give. */
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

  return {
    async stack(revisionId, stack) {
      if (!stack.includes(FUNCTION_FILENAME)) return stack;
      const map = await mapOf(revisionId);
      return map ? mapStack(stack, map) : stack;
    },
    concerns: ({ message, fields }) =>
      hasFrames(message) || (fields !== undefined && hasFrames(JSON.stringify(fields))),
    async line(revisionId, line) {
      const map = await mapOf(revisionId);
      const tell = (text: string) => {
        if (!hasFrames(text)) return text;
        const own = text.replaceAll(GUEST_FRAME, "");
        return map ? mapStack(own, map) : own;
      };
      line.message = tell(line.message);
      if (line.fields) line.fields = mapTexts(line.fields, tell) as JsonObject;
    },
  };
}

function hasFrames(text: string): boolean {
  return text.includes(FUNCTION_FILENAME) || text.includes(GUEST_FILENAME);
}

/** Fields come out of JSON whose depth is bounded. */
function mapTexts(value: Json, tell: (text: string) => string): Json {
  if (typeof value === "string") return tell(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, tell));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, tell)]));
}

/** What the build adds has no place of its author's, and its frames are left out. */
export function mapStack(stack: string, map: SourceMap): string {
  const own = stack.replaceAll(SCRIPT_FRAME, (frame, line, column, bareLine, bareColumn) =>
    findPlace(map, line ?? bareLine, column ?? bareColumn) === undefined ? "" : frame,
  );
  // Where the first frame is left out.
  const frames = stack.startsWith("\n") ? own : own.replace(/^\n/, "");
  return frames.replaceAll(
    PLACE,
    (place, line: string, column: string) => findPlace(map, line, column) ?? place,
  );
}

/** Lines and columns count from 1 in stacks, from 0 in maps. */
function findPlace(map: SourceMap, line: string, column: string): string | undefined {
  const before = line === "1" ? WRAPPER_CHARS : 0;
  const entry = map.findEntry(Number(line) - 1, Math.max(0, Number(column) - 1 - before));
  if (!("originalSource" in entry) || entry.originalSource === AWAITING_ENTRY) return undefined;
  return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}
