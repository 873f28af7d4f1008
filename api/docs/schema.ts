/** JSON Schemas as HTML: one line says what a value is; fields and alternatives open below it. */
import { html } from "hono/html";
import type { Html } from "./html.ts";
import { renderInline } from "./prose.ts";
import { nameOfRef, type Schema } from "./published.ts";

/** Deeper than any of ours, so that one which holds itself without a name would show at once. */
const MAX_DEPTH = 12;
const NOTHING = html``;

/** All that is said of it. */
export function renderSchema(schema: Schema, depth = 0): Html {
  return html`<div class="schema"><p>${renderType(schema)} ${renderFacts(schema)}</p>${renderParts(schema, depth)}</div>`;
}

/** `string`, `list of Run`, `number or null`. */
export function renderType(schema: Schema): Html {
  const { $ref, items, const: only, type } = schema;
  if ($ref) return html`<a href="#schema-${nameOfRef($ref)}">${nameOfRef($ref)}</a>`;
  const options = alternativesOf(schema);
  if (options) return html`${joinWith(" or ", distinct(options.map(renderType)))}`;
  if (items) return html`list of ${renderType(items)}`;
  if (only !== undefined) return html`<code>${JSON.stringify(only)}</code>`;
  if (schema.properties || schema.allOf) return html`object`;
  if (type === "object") return html`map`;
  return html`${[type ?? "any JSON"].flat().join(" or ")}`;
}

const alternativesOf = ({ oneOf, anyOf }: Schema): Schema[] | undefined => oneOf ?? anyOf;

/** Alternatives that read the same are one. */
function distinct(rendered: Html[]): Html[] {
  return [...new Map(rendered.map((each) => [String(each), each])).values()];
}

const joinWith = (separator: string, parts: Html[]): (Html | string)[] =>
  parts.flatMap((part, index) => (index === 0 ? [part] : [separator, part]));

/** What narrows it: bounds, what it may be, what it is when left out. */
function renderFacts(schema: Schema): Html {
  const { minimum, exclusiveMinimum, maximum, minLength, maxLength, minItems, maxItems } = schema;
  const facts = [
    schema.format && html`${schema.format}`,
    schema.enum &&
      html`one of ${joinWith(
        ", ",
        schema.enum.map((each) => html`<code>${toText(each)}</code>`),
      )}`,
    sayRange(minimum, maximum, ""),
    exclusiveMinimum === undefined ? undefined : html`more than ${exclusiveMinimum}`,
    sayRange(minLength, maxLength, " characters"),
    sayRange(minItems, maxItems, " items"),
    schema.default === undefined ? undefined : html`default <code>${toText(schema.default)}</code>`,
  ].filter((fact) => fact !== undefined && fact !== "");
  return facts.length === 0 ? NOTHING : html`<span class="facts">${joinWith("; ", facts as Html[])}</span>`;
}

/** JavaScript's own bounds say nothing. */
function sayRange(least: number | undefined, most: number | undefined, unit: string): Html | undefined {
  const max = most === Number.MAX_SAFE_INTEGER ? undefined : most;
  const min = least === Number.MIN_SAFE_INTEGER ? undefined : least;
  if (min !== undefined && max !== undefined) return html`${min} to ${max}${unit}`;
  if (max !== undefined) return html`at most ${max}${unit}`;
  return min === undefined ? undefined : html`at least ${min}${unit}`;
}

const toText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** Fields, what a list or a map holds, and alternatives, as far as they have parts of their own. */
function renderParts(schema: Schema, depth: number): Html {
  if (depth > MAX_DEPTH) throw new Error("a schema holds itself without a name");
  if (schema.$ref) return NOTHING;
  const { properties, items, additionalProperties, allOf = [] } = schema;
  const options = (alternativesOf(schema) ?? []).filter(hasParts);
  return html`${properties ? renderFields(properties, schema.required ?? [], depth) : NOTHING}
${allOf.map((part) => renderParts(part, depth + 1))}
${items && hasParts(items) ? renderParts(items, depth + 1) : NOTHING}
${typeof additionalProperties === "object" && hasParts(additionalProperties) ? renderParts(additionalProperties, depth + 1) : NOTHING}
${options.length === 1 ? renderParts(options[0]!, depth + 1) : options.map((option) => renderOption(option, depth))}`;
}

function hasParts({ $ref, properties, items, additionalProperties, oneOf, anyOf, allOf }: Schema): boolean {
  if ($ref) return false;
  if (properties || allOf) return true;
  if (items) return hasParts(items);
  if (typeof additionalProperties === "object") return hasParts(additionalProperties);
  return [...(oneOf ?? []), ...(anyOf ?? [])].some(hasParts);
}

function renderOption(option: Schema, depth: number): Html {
  return html`<details class="option"><summary>${nameOption(option)}</summary>${renderParts(option, depth + 1)}</details>`;
}

/** By the fields that are what they say: `type "http"`; else by those it needs. */
function nameOption({ properties = {}, required = [] }: Schema): Html {
  const said = Object.entries(properties).filter(([, { const: only }]) => only !== undefined);
  if (said.length > 0)
    return html`${joinWith(
      ", ",
      said.map(([name, { const: only }]) => html`<code>${name}</code> is <code>${toText(only)}</code>`),
    )}`;
  const names = required.length > 0 ? required : Object.keys(properties);
  return html`with ${joinWith(
    ", ",
    names.map((name) => html`<code>${name}</code>`),
  )}`;
}

function renderFields(properties: Record<string, Schema>, required: readonly string[], depth: number): Html {
  return html`<dl class="fields">${Object.entries(properties).map(([name, field]) =>
    renderField(name, field, required.includes(name), depth),
  )}</dl>`;
}

export function renderField(name: string, field: Schema, isRequired: boolean, depth = 0): Html {
  return html`<dt><code>${name}</code> ${isRequired ? html`<span class="required">required</span>` : NOTHING}
<span class="type">${renderType(field)}</span> ${renderFacts(field)}</dt>
<dd>${field.description ? html`<p>${renderInline(field.description)}</p>` : NOTHING}
${hasParts(field) ? html`<details><summary>Fields</summary>${renderParts(field, depth + 1)}</details>` : NOTHING}</dd>`;
}
