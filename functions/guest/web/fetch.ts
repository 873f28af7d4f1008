/** fetch of the fetch standard: http(s) through the worker; data: and blob: here. */
import { decodeBase64 } from "./base64.ts";
import { blobBytes, findPublishedBlob } from "./blob.ts";
import { Body } from "./body.ts";
import { decodeIsomorphic, encodeIsomorphic, encodeUtf8 } from "./encoding.ts";
import { HeaderList } from "./headers.ts";
import { fetchFailed, httpFetch } from "./http-fetch.ts";
import { parseMimeType, serializeMimeType } from "./mime-type.ts";
import { GuestRequest, type RequestState, requestStateOf } from "./request.ts";
import { type GuestResponse, networkResponse } from "./response.ts";
import { defineOperation, requireArguments } from "./webidl.ts";

type Bytes = Uint8Array<ArrayBuffer>;

async function fetch(input: unknown, init: unknown = undefined): Promise<GuestResponse> {
  requireArguments(arguments.length, 1, "fetch");
  const request = new GuestRequest(input, init);
  const state = requestStateOf(request);
  const { signal } = request;
  if (signal.aborted) {
    state.body?.cancel(signal.reason);
    throw signal.reason;
  }
  switch (state.url.protocol) {
    case "http:":
    case "https:":
      return httpFetch(state, signal);
    case "data:":
      return dataResponse(state);
    case "blob:":
      return blobResponse(state);
    default:
      throw fetchFailed("unknown_scheme", `there is no fetching of '${state.url.protocol}' URLs`);
  }
}

function localResponse(state: RequestState, bytes: Bytes, type: string): GuestResponse {
  const headers = new HeaderList([["content-type", type]]);
  const { href } = state.url;
  const url = href.includes("#") ? href.slice(0, href.indexOf("#")) : href;
  const body = state.method === "HEAD" ? null : Body.ofBytes(bytes);
  return networkResponse({ url, redirected: false, status: 200, statusText: "OK", body }, headers);
}

function dataResponse(state: RequestState): GuestResponse {
  const data = parseDataUrl(state.url.href);
  if (!data) throw fetchFailed("invalid_data_url", "the data: URL is not valid");
  return localResponse(state, data.bytes, data.type);
}

/** Undefined where the URL is none. `href` is serialized, so that it is ASCII. */
function parseDataUrl(href: string): { type: string; bytes: Bytes } | undefined {
  const hash = href.indexOf("#");
  const input = href.slice("data:".length, hash < 0 ? undefined : hash);
  const comma = input.indexOf(",");
  if (comma < 0) return undefined;
  let type = input.slice(0, comma).trim();
  let bytes: Bytes | undefined = percentDecode(input.slice(comma + 1));
  const base64 = /;\x20*base64$/i;
  if (base64.test(type)) {
    bytes = decodeBase64(decodeIsomorphic(bytes));
    if (!bytes) return undefined;
    type = type.replace(base64, "");
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  const mimeType = parseMimeType(type);
  return { type: mimeType ? serializeMimeType(mimeType) : "text/plain;charset=US-ASCII", bytes };
}

function percentDecode(text: string): Bytes {
  if (!text.includes("%")) return encodeUtf8(text);
  return encodeIsomorphic(
    decodeIsomorphic(encodeUtf8(text)).replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
  );
}

function blobResponse(state: RequestState): GuestResponse {
  const { href } = state.url;
  const blob = findPublishedBlob(href.includes("#") ? href.slice(0, href.indexOf("#")) : href);
  if (!blob || state.method !== "GET") throw fetchFailed("blob_not_found", "there is no such blob");
  const response = localResponse(state, blobBytes(blob), blob.type);
  return response;
}

export function installFetch(): void {
  defineOperation("fetch", fetch);
}
