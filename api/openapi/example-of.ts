import { z } from "zod";

/** A value as a schema gives it as an example of itself, or made of its parts' examples; undefined where there is none. */
export function exampleOf(schema: z.core.SomeType): unknown {
  const examples = schema instanceof z.ZodType ? schema.meta()?.["examples"] : undefined;
  if (Array.isArray(examples)) return examples[0];
  if (schema instanceof z.ZodPipe) return exampleOf(schema.in);
  if (schema instanceof z.ZodArray) return [exampleOf(schema.element)].filter((one) => one !== undefined);
  if (schema instanceof z.ZodNullable) return exampleOf(schema.unwrap()) ?? null;
  if (!(schema instanceof z.ZodObject)) return undefined;
  const fields = Object.entries(schema.shape).map(([name, field]) => [name, exampleOf(field)] as const);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}
