import { BellhopError, type FieldError } from "../../core/errors.ts";

export const MAX_FILES = 100;
export const MAX_SOURCE_BYTES = 10_000_000;
const MAX_PATH_LENGTH = 255;

/** 422 `build_failed`: the upload was understood and cannot be made into a revision. */
export function buildFailed(message: string, fields: FieldError[] = []): BellhopError {
  return new BellhopError("build_failed", 422, message, fields);
}

/** Names the field of the upload that a file came from. */
export type FieldOf = (path: string) => string;

/** The field of what is no single file's fault: that of the only file, or all of them. */
export function fieldOfWhole(files: Record<string, string>, fieldOf: FieldOf): string {
  const [only, ...others] = Object.keys(files);
  return only !== undefined && others.length === 0 ? fieldOf(only) : "files";
}

/** A number as people read it. */
export const withSeparators = (number: number): string => number.toLocaleString("en-US");

/** The upload as a map without a prototype to trip over; throws `build_failed` where a bound is passed. */
export function checkSourceFiles(
  files: Record<string, string>,
  entry: string,
  fieldOf: FieldOf,
): Map<string, string> {
  const entries = Object.entries(files);
  const refuseWhole = (message: string) =>
    buildFailed(message, [{ field: fieldOfWhole(files, fieldOf), message }]);
  if (entries.length === 0) throw refuseWhole("The upload holds no files.");
  if (entries.length > MAX_FILES) {
    throw refuseWhole(`The upload holds ${entries.length} files; the most is ${MAX_FILES}.`);
  }
  let bytes = 0;
  for (const [path, source] of entries) {
    const fault = faultOfPath(path);
    if (fault) {
      const message = `${JSON.stringify(path.slice(0, MAX_PATH_LENGTH))} ${fault}.`;
      throw buildFailed(message, [{ field: fieldOf(path), message, file: path }]);
    }
    if (source.includes("\0")) {
      const message = `${path} holds a NUL character.`;
      throw buildFailed(message, [{ field: fieldOf(path), message, file: path }]);
    }
    bytes += Buffer.byteLength(source);
  }
  if (bytes > MAX_SOURCE_BYTES) {
    throw refuseWhole(
      `The sources take ${withSeparators(bytes)} bytes; the most is ${withSeparators(MAX_SOURCE_BYTES)}.`,
    );
  }
  const map = new Map(entries);
  if (!map.has(entry)) {
    const message = `The entry ${JSON.stringify(entry)} is not among the uploaded files.`;
    throw buildFailed(message, [{ field: "entry", message }]);
  }
  return map;
}

function faultOfPath(path: string): string | undefined {
  if (path.length === 0 || path.length > MAX_PATH_LENGTH)
    return `must have 1 to ${MAX_PATH_LENGTH} characters`;
  if (path.startsWith("/") || /^[a-z]:/i.test(path)) return "must be relative";
  if (/[\\\p{Cc}]/u.test(path)) return "must use forward slashes and no control characters";
  const segments = path.split("/");
  if (segments.includes("..")) return 'must not contain ".."';
  if (segments.includes("") || segments.includes(".")) return "must be a plain path such as lib/greet.ts";
  return undefined;
}
