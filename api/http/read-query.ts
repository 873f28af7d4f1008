/** Query parameters: one that nobody knows is refused by its name, and so is one that is given twice and counts once. */
import type { Context } from "hono";
import { z } from "zod";
import { shortenName } from "../../core/contracts/plain-words.ts";
import { BellhopError, type FieldError } from "../../core/errors.ts";
import { validate } from "../bodies/body.ts";

const MAX_REPORTED = 20;

/** Reads by the schema; one that takes an array takes the parameter repeatedly. */
export function createQueryReader(schema: z.ZodObject = z.object({})): (context: Context) => unknown {
  const lists = new Map(Object.entries(schema.shape).map(([name, field]) => [name, isList(field)]));
  const absent = schema.safeParse({});
  return ({ req: { url } }) => {
    const start = url.indexOf("?");
    if (start < 0 && absent.success) return { ...absent.data };
    const given = gather(new URLSearchParams(start < 0 ? "" : url.slice(start)), lists);
    return namingParameters(lists, () => validate(schema, given));
  };
}

/** A fault is told of its parameter, whichever of its values it is: `state`, not `state.0`. */
function namingParameters<T>(lists: Map<string, boolean>, read: () => T): T {
  const nameOf = (field: string) => {
    const name = field.split(".")[0]!;
    return lists.get(name) ? name : field;
  };
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BellhopError) || error.fields.length === 0) throw error;
    throw refuseAll(error.fields.map(({ field, message }) => ({ field: nameOf(field), message })));
  }
}

function refuseAll(fields: FieldError[]): BellhopError {
  const detail = fields.map(({ field, message }) => `${field}: ${message}`).join("; ");
  return new BellhopError("invalid_input", 422, detail, fields);
}

function gather(params: URLSearchParams, lists: Map<string, boolean>): Record<string, string | string[]> {
  const refused: FieldError[] = [];
  const given: Record<string, string | string[]> = {};
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name);
    const field = shortenName(name);
    if (!lists.has(name)) refused.push({ field, message: "unknown parameter" });
    else if (lists.get(name)) given[name] = values;
    else if (values.length > 1) refused.push({ field, message: "may be given once" });
    else given[name] = values[0]!;
  }
  if (refused.length === 0) return given;
  throw refuseAll(refused.slice(0, MAX_REPORTED));
}

/** Whether it is an array, optional or not, or what a single value is made an array for. */
function isList(field: z.core.$ZodType): boolean {
  if (field instanceof z.ZodPipe)
    return isList(field.def.in instanceof z.ZodTransform ? field.def.out : field.def.in);
  if (field instanceof z.ZodOptional || field instanceof z.ZodDefault || field instanceof z.ZodPrefault)
    return isList(field.unwrap());
  return field instanceof z.ZodArray;
}
