/** Where in a task secrets may stand (`{{secrets.NAME}}`), and how a value is written there. */

import type { Json } from "../json.ts";
import { JsonSource, mapJsonStrings } from "../json-source.ts";
import { escapeHtml } from "./escape-html.ts";
import {
  fillTemplate,
  MAX_TEMPLATES,
  mayHoldTemplate,
  parseTemplate,
  TemplateFault,
  type TemplatePart,
} from "./secret-templates.ts";
import type { EmailSpec, HttpSpec, SecretField, TaskSpec } from "./task-spec.ts";

/** One text of a spec in which secrets may stand. */
interface Place {
  field: SecretField;
  /** As problems name it: `headers`, `Authorization`. */
  path: string[];
  /** How a value is written there. */
  encode(value: string): string;
}

type MapText = (text: string, place: Place) => string;

const asItIs = (value: string) => value;
const asJsonText = (value: string) => JSON.stringify(value).slice(1, -1);

/** The spec, each text in which secrets may stand as `map` has it. */
function mapTexts<Spec extends TaskSpec>(spec: Spec, map: MapText): Spec;
function mapTexts(spec: TaskSpec, map: MapText): TaskSpec {
  if (spec.type === "http") return mapHttp(spec, map);
  return spec.type === "email" ? mapEmail(spec, map) : spec;
}

function mapHttp(spec: HttpSpec, map: MapText): HttpSpec {
  const { url, headers, body } = spec;
  const [query, fragment] = queryOf(url);
  const mapped = map(url.slice(query, fragment), { field: "url", path: ["url"], encode: encodeURIComponent });
  const entries = Object.entries(headers).map(([name, value]) => {
    const place: Place = { field: "headers", path: ["headers", name], encode: asItIs };
    return [name, map(value, place)] as const;
  });
  return {
    ...spec,
    url: url.slice(0, query) + mapped + url.slice(fragment),
    headers: Object.fromEntries(entries),
    ...(body === undefined ? {} : { body: mapBody(body, headers, map) }),
  };
}

/** Where a URL's query begins and ends. */
function queryOf(url: string): [from: number, to: number] {
  const hash = url.indexOf("#");
  const to = hash < 0 ? url.length : hash;
  const question = url.indexOf("?");
  return [question < 0 || question > to ? to : question, to];
}

function mapBody(body: Json | JsonSource, headers: HttpSpec["headers"], map: MapText): Json | JsonSource {
  const place: Omit<Place, "encode"> = { field: "body", path: ["body"] };
  if (typeof body === "string") return map(body, { ...place, encode: encodingOf(headers) });
  const text = body instanceof JsonSource ? body.text : JSON.stringify(body);
  if (!mayHoldTemplate(text) && !ESCAPED_BRACE.test(text)) return body;
  return new JsonSource(mapJsonStrings(text, (value) => map(value, { ...place, encode: asItIs })));
}

const ESCAPED_BRACE = /\\u007b/i;

/** How a body that is text writes a value, by its type. */
function encodingOf(headers: HttpSpec["headers"]): Place["encode"] {
  const [, type = ""] = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type") ?? [];
  if (/^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return encodeURIComponent;
  return /^[^;]*[/+]json\s*(;|$)/i.test(type) ? asJsonText : asItIs;
}

function mapEmail(spec: EmailSpec, map: MapText): EmailSpec {
  const { subject, body, html } = spec;
  return {
    ...spec,
    subject: map(subject, { field: "subject", path: ["subject"], encode: asItIs }),
    ...(body === undefined ? {} : { body: map(body, { field: "body", path: ["body"], encode: asItIs }) }),
    ...(html === undefined ? {} : { html: map(html, { field: "html", path: ["html"], encode: escapeHtml }) }),
  };
}

/** A secret where it is named. */
export interface SecretMention {
  path: string[];
  name: string;
}

export interface SpecFault {
  path: string[];
  message: string;
}

export interface FoundSecrets {
  mentions: SecretMention[];
  /** The fields in which secrets, or texts that only look so, are to be put in; undefined: there is none. */
  fields: SecretField[] | undefined;
  faults: SpecFault[];
}

/** The secrets that a spec names, and what is wrong with how or where it does. */
export function findSecrets(spec: TaskSpec): FoundSecrets {
  if (spec.type === "http" && isPlain(spec)) return { mentions: [], fields: undefined, faults: [] };
  return gather((map) => mapTexts(spec, map), findMisplaced(spec));
}

/** Nothing in it may be a template, which is seen without looking at its texts place by place. */
function isPlain({ url, headers, body = "" }: HttpSpec): boolean {
  const text = body instanceof JsonSource ? body.text : body;
  if (typeof text !== "string" || mayHoldTemplate(text) || ESCAPED_BRACE.test(text)) return false;
  return !mayHoldTemplate(url) && !Object.values(headers).some(mayHoldTemplate);
}

/** The same of the body of an http task by itself. */
export function findBodySecrets(body: Json | JsonSource): FoundSecrets {
  return gather((map) => mapBody(body, {}, map));
}

function gather(readTexts: (map: MapText) => void, faults: SpecFault[] = []): FoundSecrets {
  const mentions: SecretMention[] = [];
  const fields = new Set<SecretField>();
  readTexts((text, { field, path }) => {
    const parts = readParts(text, (message) => faults.push({ path, message }));
    if (parts.length > 1 || (parts.length === 1 && parts[0] !== text)) fields.add(field);
    for (const part of parts) if (typeof part !== "string") mentions.push({ path, name: part.name });
    return text;
  });
  const excess = mentions[MAX_TEMPLATES];
  if (excess)
    faults.push({ path: excess.path, message: `a task names secrets in at most ${MAX_TEMPLATES} places` });
  return { mentions, fields: fields.size === 0 ? undefined : [...fields], faults };
}

function readParts(text: string, onFault: (message: string) => void): TemplatePart[] {
  if (!mayHoldTemplate(text)) return [];
  try {
    return parseTemplate(text);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    onFault(error.message);
    return [];
  }
}

/** Texts that lead somewhere: a secret in a host would be told to whoever resolves names. */
function findMisplaced(spec: TaskSpec): SpecFault[] {
  const holds = (text: string) => {
    let isHeld = false;
    const parts = readParts(text, () => {
      isHeld = true;
    });
    return isHeld || parts.some((part) => typeof part !== "string");
  };
  if (spec.type === "http") {
    const [query, fragment] = queryOf(spec.url);
    const message = "takes secrets only in its query: credentials belong in a header";
    return holds(spec.url.slice(0, query)) || holds(spec.url.slice(fragment))
      ? [{ path: ["url"], message }]
      : [];
  }
  if (spec.type !== "email") return [];
  const { from = "", to, cc, bcc, replyTo = "", attachments } = spec;
  const fields = {
    from: [from],
    to,
    cc,
    bcc,
    replyTo: [replyTo],
    attachments: attachments.map(({ filename }) => filename),
  };
  return Object.entries(fields).flatMap(([field, texts]) =>
    texts.some(holds) ? [{ path: [field], message: "takes no secrets" }] : [],
  );
}

/** The spec as it is sent, of the fields that are said to hold secrets; any other text stays as it is. */
export function fillSecrets<Spec extends TaskSpec>(
  spec: Spec,
  fields: readonly SecretField[],
  findValue: (name: string) => string,
): Spec {
  return mapTexts(spec, (text, { field, encode }) =>
    fields.includes(field) ? fillTemplate(text, findValue, encode) : text,
  );
}
