/**
 * A bell out of a CloudEvent 1.0 over HTTP, in binary and in structured mode (JSON format). Own code, for it is a
 * hundred lines: docs/decisions/0008-cloudevents-without-sdk.md. The rules are those of the CloudEvents
 * specification, its HTTP protocol binding (modes and headers) and its JSON event format (data, data_base64).
 */
import type { IncomingHttpHeaders } from "node:http";
import { BellhopError } from "../../core/errors.ts";
import { readBell } from "../../core/queue/bell.ts";
import type { Bell } from "../../core/queue/transport.ts";

const STRUCTURED = "application/cloudevents+json";
/** Every event has them; more are let through and not looked at. */
const NEEDED = ["id", "source", "type"];

/**
 * Throws a `BellhopError` that names the attribute: 400 `invalid_event`, 415 `unsupported_media_type`, 422 `not_a_bell`.
 * All of them are final: the same event can never be taken.
 */
export function parseEvent(headers: IncomingHttpHeaders, body: Uint8Array): Bell {
  const mediaType = mediaTypeOf(headers["content-type"]);
  if (mediaType?.startsWith("application/cloudevents-batch"))
    throw unsupported("Batches of events are not taken here: send each event as a request of its own.");
  if (mediaType === STRUCTURED) return parseStructured(body);
  if (mediaType?.startsWith("application/cloudevents"))
    throw unsupported(`${mediaType} is not read here: send ${STRUCTURED}, or the event in binary mode.`);
  return parseBinary(headers, mediaType, body);
}

function parseBinary(headers: IncomingHttpHeaders, mediaType: string | undefined, body: Uint8Array): Bell {
  checkAttributes("ce-", (name) => decodeHeader(`ce-${name}`, headers[`ce-${name}`]));
  demandJson("content-type", mediaType);
  if (body.length === 0) throw notABell("data", "is missing: the body is empty");
  return toBell(parseJson("data", body));
}

function parseStructured(body: Uint8Array): Bell {
  const event = parseJson("the event", body);
  if (typeof event !== "object" || event === null || Array.isArray(event))
    throw new BellhopError("invalid_event", 400, "An event in structured mode is a JSON object.");
  const members = event as Record<string, unknown>;
  checkAttributes("", (name) => members[name]);
  const { datacontenttype, data, data_base64: base64 } = members;
  if (datacontenttype !== undefined && typeof datacontenttype !== "string")
    throw invalid("datacontenttype", "must be a string");
  demandJson("datacontenttype", mediaTypeOf(datacontenttype));
  if (base64 === undefined) {
    if (data === undefined) throw notABell("data", "is missing");
    return toBell(data);
  }
  if (data !== undefined) throw invalid("data_base64", "must not stand beside data");
  if (typeof base64 !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw invalid("data_base64", "must be a string in base64");
  return toBell(parseJson("data_base64", Buffer.from(base64, "base64")));
}

/** `prefix`: what the names of attributes begin with where they were sent. */
function checkAttributes(prefix: string, read: (name: string) => unknown): void {
  const version = read("specversion");
  if (version !== "1.0")
    throw invalid(`${prefix}specversion`, version === undefined ? "is missing" : 'must be "1.0"');
  for (const name of NEEDED) {
    const value = read(name);
    if (value === undefined) throw invalid(prefix + name, "is missing");
    if (typeof value !== "string" || value === "")
      throw invalid(prefix + name, "must be a string, not empty");
  }
}

/** A quoted value is unquoted, then percent-decoded once; bytes that are no UTF-8 are refused (HTTP binding, 3.1.3.2). */
function decodeHeader(name: string, value: string | string[] | undefined): string | undefined {
  if (value === undefined || Array.isArray(value)) return value?.[0];
  const quoted = /^"(.*)"$/s.exec(value)?.[1];
  const plain = quoted === undefined ? value : quoted.replace(/\\(.)/gs, "$1");
  try {
    return plain.replace(/(%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    throw invalid(name, "is percent-encoded, and not in UTF-8");
  }
}

/** In lower case, without parameters. Text is UTF-8: another charset is refused. */
function mediaTypeOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [mediaType = "", ...parameters] = header.toLowerCase().split(";");
  const charset = parameters.map((text) => /^\s*charset="?([^"]*)"?\s*$/.exec(text)?.[1]).find(Boolean);
  if (charset !== undefined && charset !== "utf-8" && charset !== "us-ascii")
    throw unsupported(`The charset ${JSON.stringify(charset.slice(0, 50))} is not read here: send utf-8.`);
  return mediaType.trim();
}

/** Undefined is JSON too: Knative's KafkaSource says nothing of a message without a content-type. */
function demandJson(where: string, mediaType: string | undefined): void {
  if (mediaType === undefined || /^(application|text)\/([\w.-]+\+)?json$/.test(mediaType)) return;
  const message = `must be application/json; ${JSON.stringify(mediaType.slice(0, 100))} is not read here`;
  throw new BellhopError("unsupported_media_type", 415, `${where} ${message}.`, [{ field: where, message }]);
}

function parseJson(what: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid(what, "is not JSON in UTF-8");
  }
}

function toBell(data: unknown): Bell {
  const read = readBell(data);
  if (!("field" in read)) return read;
  throw notABell(read.field === "" ? "data" : `data.${read.field}`, read.message);
}

const invalid = (field: string, message: string) =>
  new BellhopError("invalid_event", 400, `${field} ${message}.`, [{ field, message }]);
const notABell = (field: string, message: string) =>
  new BellhopError("not_a_bell", 422, `${field} ${message}.`, [{ field, message }]);
const unsupported = (message: string) =>
  new BellhopError("unsupported_media_type", 415, message, [{ field: "content-type", message }]);
