/**
 * A schema as a model reads it: what it says twice is said once, and bounds that only the API needs are left out, since it
 * holds to them anyway. Everything that was valid stays so.
 */
import type { Schema } from "./merge-options.ts";

/** Of texts and lists; who passes one is told by the API. */
const BOUNDS = new Set(["minLength", "maxLength", "minItems", "maxItems"]);
/** Longer patterns are for machines: a format or a description says the same. */
const MAX_PATTERN_CHARACTERS = 60;
/** `^[^…]*$` keeps control characters out, which nobody means to write. */
const FORBIDS = /^\^\[\^/;
/** Fields alike are worth saying once from so many of so many characters on. */
const ALIKE = { fields: 3, characters: 100 };

export function compactSchema(schema: Schema): Schema {
  const entries = Object.entries(schema).filter(([name]) => isTold(schema, name));
  const compacted = Object.fromEntries(entries.map(([name, value]) => [name, compactPart(name, value)]));
  return shareAlike(flattenChoice(compacted as Schema));
}

function isTold({ format, pattern, type, description }: Schema, name: string): boolean {
  if (name === "pattern")
    return format === undefined && pattern!.length <= MAX_PATTERN_CHARACTERS && !FORBIDS.test(pattern!);
  // What a text is like stands in its description.
  if (name === "examples") return type !== "string" || description === undefined;
  return !BOUNDS.has(name);
}

function compactPart(name: string, value: unknown): unknown {
  const isSchema = typeof value === "object" && value !== null && !Array.isArray(value);
  if (name === "properties")
    return Object.fromEntries(
      Object.entries(value as Record<string, Schema>).map(([field, of]) => [field, compactSchema(of)]),
    );
  if (name === "items" || name === "additionalProperties")
    return isSchema ? compactSchema(value as Schema) : value;
  if (name === "anyOf" || name === "oneOf") return (value as Schema[]).map(compactSchema);
  return value;
}

/** A choice that is one of a choice's parts. */
function flattenChoice(schema: Schema): Schema {
  if (!schema.anyOf) return schema;
  const anyOf = schema.anyOf.flatMap((option) => {
    const { anyOf: inner, ...rest } = option as Schema;
    return inner && Object.keys(rest).length === 0 ? inner : [option];
  });
  return { ...schema, anyOf } as Schema;
}

/** An object whose fields are all alike names them, and says once what each of them is. */
function shareAlike(schema: Schema): Schema {
  const { properties, required, ...rest } = schema;
  if (!properties || required) return schema;
  const different = new Set(Object.values(properties).map((each) => JSON.stringify(each)));
  const [only] = different;
  const names = Object.keys(properties);
  if (different.size !== 1 || names.length < ALIKE.fields || only!.length < ALIKE.characters) return schema;
  return {
    ...rest,
    propertyNames: { enum: names },
    additionalProperties: Object.values(properties)[0]!,
  } as Schema;
}
