/** A choice between objects as one object, which is all that the arguments of a tool may be. The API holds to the choice. */
import type { z } from "zod";

export type Schema = z.core.JSONSchema.BaseSchema;

export interface ObjectSchema extends Schema {
  type: "object";
  properties: Record<string, Schema>;
}

/** A field that only some options have says which. */
export function mergeOptions(options: readonly ObjectSchema[]): ObjectSchema {
  const names = new Set(options.flatMap(({ properties }) => Object.keys(properties)));
  const properties: Record<string, Schema> = {};
  for (const name of names) {
    const having = options.filter((option) => Object.hasOwn(option.properties, name));
    const merged = mergeField(having.map((option) => option.properties[name]!));
    properties[name] =
      having.length === options.length
        ? merged
        : withPlace(
            merged,
            having.map((option) => placeOf(option, name)),
          );
  }
  const required = [...names].filter((name) => options.every((option) => option.required?.includes(name)));
  return { type: "object", properties, required };
}

function mergeField(fields: readonly Schema[]): Schema {
  const different = [...new Map(fields.map((field) => [JSON.stringify(field), field])).values()];
  if (different.length === 1) return different[0]!;
  if (different.every((field) => typeof field.const === "string"))
    return { type: "string", enum: different.map((field) => field.const as string) };
  return { anyOf: different };
}

/** `http (required)`. */
function placeOf({ properties, required }: ObjectSchema, name: string): string {
  const option = Object.values(properties).find((field) => field.const !== undefined)?.const;
  return `${option}${required?.includes(name) ? " (required)" : ""}`;
}

function withPlace(field: Schema, places: readonly string[]): Schema {
  const description = `For ${places.join(", ")}.${field.description === undefined ? "" : ` ${field.description}`}`;
  return { ...field, description };
}
