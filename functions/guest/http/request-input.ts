/** What a plain function `(input, ctx)` gets of an HTTP request. */
import { extractMimeType } from "../web/mime-type.ts";
import type { GuestRequest } from "../web/request.ts";
import { GuestURL } from "../web/url.ts";

type Request = globalThis.Request;

/** The request's body is not what its content type says: the caller's fault, not the function's. */
export class BadRequest extends Error {}

/**
 * A JSON body parsed, a form as an object, any other body as text; without a body the query's parameters, null where
 * there are none. A name that is there several times has an array of its values. Rejects with BadRequest.
 */
export async function readRequestInput(given: GuestRequest, hasBody: boolean): Promise<unknown> {
  const request = given as unknown as Request;
  if (!hasBody) {
    const { searchParams } = new GuestURL(request.url);
    return searchParams.size === 0 ? null : toObject(searchParams);
  }
  const type = extractMimeType(request.headers.get("content-type"))?.essence ?? "";
  if (type === "application/x-www-form-urlencoded" || type === "multipart/form-data") {
    return toObject(await readTexts(await request.formData().catch(refuse(`is not ${type}`))));
  }
  const text = await request.text();
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRequest("The request's body is not JSON.");
  }
}

function refuse(what: string) {
  return (): never => {
    throw new BadRequest(`The request's body ${what}.`);
  };
}

async function readTexts(form: FormData): Promise<[string, string][]> {
  const pairs: [string, string][] = [];
  for (const [name, value] of form as unknown as Iterable<[string, string | Blob]>) {
    pairs.push([name, typeof value === "string" ? value : await value.text()]);
  }
  return pairs;
}

function toObject(pairs: Iterable<[string, string]>): object {
  const values = new Map<string, string | string[]>();
  for (const [name, value] of pairs) {
    const before = values.get(name);
    if (before === undefined) values.set(name, value);
    else if (typeof before === "string") values.set(name, [before, value]);
    else before.push(value);
  }
  return Object.fromEntries(values);
}
