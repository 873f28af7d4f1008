/** An object on the wire, and the same one inside, where some of its fields have other names: `max` is `maxMs`. */
import { z } from "zod";

/** Name on the wire → name inside, for the fields that have two. */
export type InnerNames<Shape> = { readonly [Field in keyof Shape]?: string };

type NoNames = Record<never, never>;

export type Renamed<Value, Names> = {
  [Field in keyof Value as Field extends keyof Names ? Names[Field] & string : Field]: Value[Field];
};

/** A strict object: what it does not name is refused when it comes in, and left out when it is shown. */
export function fieldGroup<Shape extends z.ZodRawShape, const Names extends InnerNames<Shape> = NoNames>(
  shape: Shape,
  names: Names = {} as Names,
) {
  const wire = z.strictObject(shape);
  type Wire = z.output<typeof wire>;
  const pairs = Object.keys(shape).map((outer) => ({ outer, inner: names[outer] ?? outer }));
  return z.codec(wire, z.custom<Renamed<Wire, Names>>(), {
    decode: (value) => toInner(shape, names, value) as Renamed<Wire, Names>,
    encode: (value) => pick(pairs.map(({ outer, inner }) => [outer, Reflect.get(value, inner)])) as Wire,
  });
}

/** A field that may be left out, and is, has no value of its own. */
const pick = (fields: [string, unknown][]) =>
  Object.fromEntries(fields.filter(([, value]) => value !== undefined));

/** Of an object with validated fields of `shape`, and maybe others: those of `shape`, by their inner names. */
export function toInner<Shape extends z.ZodRawShape>(
  shape: Shape,
  names: InnerNames<Shape>,
  value: object,
): object {
  return pick(Object.keys(shape).map((outer) => [names[outer] ?? outer, Reflect.get(value, outer)]));
}

/**
 * A schema of values as they are shown: every field that has a default is there, and whatever stands inside has its form
 * on the wire.
 */
export type Shown<Schema extends z.core.SomeType> =
  Schema extends z.ZodDefault<infer Inner>
    ? Shown<Inner>
    : Schema extends z.ZodPrefault<infer Inner>
      ? Shown<Inner>
      : Schema extends z.ZodCodec<infer Wire, z.core.SomeType>
        ? Shown<Wire>
        : Schema extends z.ZodNullable<infer Inner>
          ? z.ZodNullable<Shown<Inner>>
          : Schema extends z.ZodOptional<infer Inner>
            ? z.ZodOptional<Shown<Inner>>
            : Schema extends z.ZodArray<infer Item>
              ? z.ZodArray<Shown<Item>>
              : Schema extends z.ZodDiscriminatedUnion<infer Options, infer Name>
                ? z.ZodDiscriminatedUnion<{ [Index in keyof Options]: Shown<Options[Index]> }, Name>
                : Schema extends z.ZodObject<infer Shape>
                  ? z.ZodObject<{ -readonly [Field in keyof Shape]: AsType<Shown<Shape[Field]>> }>
                  : Schema;
type AsType<Schema> = Schema extends z.core.$ZodType ? Schema : never;

export function toShown<Schema extends z.core.SomeType>(schema: Schema): Shown<Schema> {
  return showSchema(schema) as Shown<Schema>;
}

function showSchema(schema: z.core.SomeType): z.core.SomeType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return showSchema(schema.unwrap());
  if (schema instanceof z.ZodCodec) return showSchema(schema.in);
  if (schema instanceof z.ZodNullable) return z.nullable(showSchema(schema.unwrap()));
  if (schema instanceof z.ZodOptional) return z.optional(showSchema(schema.unwrap()));
  if (schema instanceof z.ZodArray) return z.array(showSchema(schema.element));
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { discriminator, options } = schema.def;
    return z.discriminatedUnion(discriminator, options.map(showSchema) as unknown as [z.ZodObject]);
  }
  if (!(schema instanceof z.ZodObject)) return schema;
  const fields = Object.entries(schema.shape).map(([name, field]) => [name, showSchema(field)]);
  return z.object(Object.fromEntries(fields));
}
