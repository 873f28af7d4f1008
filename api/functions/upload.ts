/** What an author uploads, as files and an entry: JSON (`source`, or `files` with `entry`) or multipart with files. */
import { isUtf8 } from "node:buffer";
import type { Context } from "hono";
import { functionUpload } from "../../core/contracts/function.ts";
import type { AskedLimits, FunctionLimitCaps } from "../../core/domain/function-limits.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import { type BodyBound, readJson, validate } from "../bodies/body.ts";
import type { Edge } from "../edge/edge.ts";

export interface Upload {
  files: Record<string, string>;
  entry: string;
  /** Where errors point when the author sent one `source`. */
  isSingleSource: boolean;
  limits: AskedLimits;
  reuse: boolean;
  /** Undefined where the author did not say. */
  takesTraffic: boolean | undefined;
  tag: string | undefined;
  isPublic: boolean | undefined;
  env: Record<string, string> | undefined;
}

const JSON_FIELDS = new Set(["limits", "reuse", "traffic", "public", "env"]);
/** A hundred files, and the fields beside them. */
export const MAX_PARTS = 120;
/** Sources, and what JSON escapes or a form has between them. */
export const MAX_UPLOAD_BYTES = 16_000_000;
const UPLOAD_PATH = /^\/v1\/functions\/[^/]+\/?$/;
const SINGLE_ENTRY = "index.ts";
const ENTRY_NAMES = ["index.ts", "index.tsx", "index.js", "index.mjs", "main.ts", "worker.ts"];

/** Other than what most routes take; undefined where the request is no upload. */
export function uploadBound({ uploads }: Edge, { req }: Context): BodyBound | undefined {
  if (req.method !== "PUT" || !UPLOAD_PATH.test(req.path)) return undefined;
  return { maxBytes: MAX_UPLOAD_BYTES, shares: uploads };
}

export async function readUpload(context: Context, caps: FunctionLimitCaps): Promise<Upload> {
  const isMultipart = context.req.header("content-type")?.toLowerCase().startsWith("multipart/form-data");
  const isText = isUtf8(new Uint8Array(await context.req.arrayBuffer()));
  if (isMultipart) return await readMultipart(context, caps, isText);
  if (!isText) throw new BellhopError("invalid_json", 400, "The body is not UTF-8, which JSON requires.");
  return toUpload(await readJson(context), caps);
}

function toUpload(body: unknown, caps: FunctionLimitCaps): Upload {
  const {
    source,
    files = {},
    entry,
    limits,
    reuse,
    traffic,
    tag,
    public: isPublic,
    env,
  } = validate(functionUpload(caps), body);
  const takesTraffic = traffic === undefined ? undefined : traffic > 0;
  const options = { limits: withoutGaps(limits), reuse, takesTraffic, tag, isPublic, env };
  return source === undefined
    ? { files, entry: chooseEntry(files, entry), isSingleSource: false, ...options }
    : { files: { [SINGLE_ENTRY]: source }, entry: SINGLE_ENTRY, isSingleSource: true, ...options };
}

/**
 * Each file part is a file under its file name; the field `entry` names the entry, the field `source` is one file.
 * `limits`, `reuse`, `traffic`, `public` and `env` are JSON, as text or as a file.
 */
async function readMultipart(context: Context, caps: FunctionLimitCaps, isText: boolean): Promise<Upload> {
  const form = await readForm(context);
  const files = new Map<string, string>();
  const fields = new Map<string, unknown>();
  for (const [name, value] of form.entries()) {
    const isOption = JSON_FIELDS.has(name);
    const text = typeof value === "string" ? value : await value.text();
    const isBroken = typeof value === "string" ? text.includes("\ufffd") : !isUtf8(await value.bytes());
    const isFile = typeof value !== "string" && !isOption;
    const [kept, key] = isFile ? [files, value.name || name] : [fields, name];
    if (kept.has(key)) throw invalidField(isFile ? "files" : name, `${JSON.stringify(key)} is there twice`);
    if (!isText && isBroken) throw invalidField(isFile ? `files.${key}` : name, "is not UTF-8");
    if (text.includes("\0"))
      throw invalidField(isFile ? `files.${key}` : name, "holds U+0000, which cannot be stored");
    kept.set(key, isOption ? parseField(name, text) : text);
  }
  if (files.size > 0 || !fields.has("source")) fields.set("files", Object.fromEntries(files));
  return toUpload(Object.fromEntries(fields), caps);
}

/** The parser takes its time for each part: they are counted before. */
async function readForm(context: Context): Promise<FormData> {
  const bytes = await context.req.arrayBuffer();
  const boundary = readBoundary(context.req.header("content-type")!);
  if (boundary === undefined) throw invalidMultipart();
  if (countUpTo(Buffer.from(bytes), boundary, MAX_PARTS + 1) > MAX_PARTS + 1)
    throw invalidField("files", `the upload has more than ${MAX_PARTS} parts`);
  // By the boundary that was counted, and no other that a parser might read out of the header.
  const headers = { "content-type": `multipart/form-data; boundary="${boundary}"` };
  return await new Response(bytes, { headers }).formData().catch(() => {
    throw invalidMultipart();
  });
}

function invalidMultipart(): BellhopError {
  return new BellhopError("invalid_multipart", 400, "The multipart body could not be read.");
}

function readBoundary(contentType: string): string | undefined {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"\\]{1,200})"|([^\s;"\\]{1,200}))/i.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** How often it stands there, counted to one beyond `max`. Each part has one before it, and one closes the last. */
function countUpTo(bytes: Buffer, boundary: string, max: number): number {
  let count = 0;
  for (
    let at = bytes.indexOf(boundary);
    at >= 0 && count <= max;
    at = bytes.indexOf(boundary, at + boundary.length)
  )
    count += 1;
  return count;
}

function parseField(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidField(name, "must be JSON");
  }
}

/** Only what was asked for. */
function withoutGaps(limits: { [Name in keyof AskedLimits]?: number | null | undefined }): AskedLimits {
  return Object.fromEntries(
    Object.entries(limits).filter((limit): limit is [string, number] => typeof limit[1] === "number"),
  );
}

function chooseEntry(files: Record<string, string>, given: string | undefined): string {
  const names = Object.keys(files);
  if (names.length === 0) throw invalidField("files", "holds no file");
  const entry = given ?? (names.length === 1 ? names[0] : ENTRY_NAMES.find((name) => name in files));
  if (entry === undefined) throw invalidField("entry", "name the file that exports the function");
  if (!Object.hasOwn(files, entry))
    throw invalidField("entry", `there is no file ${JSON.stringify(entry)} among the files`);
  return entry;
}
