/**
 * Reads tasks with which nothing is wrong, without the whole schema. Of some thirty fields most tasks give five, and whatever
 * is left out is the same in all of them; what many tasks of a caller give, such as their `retry`, they give in the same
 * words. So what is given is parsed by a schema of those fields alone, and a policy that was read before is not read again.
 */
import { z } from "zod";
import { deepFreeze } from "../deep-freeze.ts";
import { TASK_TYPES, type TaskType } from "../domain/task-spec.ts";
import { DEFAULT_POLICY, sharePolicy, type TaskPolicy } from "./task-policy.ts";

/** Callers give few sets of fields. A plan is dear to make: for a set that is met again. The one that was made first gives way. */
const MAX_PLANS = 200;
/** The one that was met first gives way. */
const MAX_POLICIES = 1_000;
const MAX_POLICY_CHARS = 2_000;
const MAX_TEXT_CHARS = 2_000;

export interface QuickParts {
  shapeOf(type: TaskType): z.ZodRawShape;
  /** Those whose values say nothing of the time, or of each other. */
  policyFields: readonly string[];
  toPolicy(fields: object): TaskPolicy;
  /**
   * Fields that are not read again where they hold the same text as in the task before with the same fields. Their values say
   * nothing of the time. Of each set of fields the text stays in memory until another comes, even once its task is erased: so
   * they are those that are dear to read and mostly the same, and no contents.
   */
  repeatedFields: readonly string[];
  /** Of fields that are soon read in most of their forms; undefined: this form is the schema's. */
  readers: Readonly<Record<string, (given: unknown) => unknown>>;
}

const BY_DEFAULT = { fields: {}, policy: DEFAULT_POLICY };

/** What a text was read as: a caller's tasks mostly have one method and one URL. Shared, so what was made of it is frozen. */
interface LastText {
  given: string;
  read: unknown;
}

interface PlainField {
  name: string;
  schema: z.ZodType;
  isRepeated: boolean;
  last: LastText | undefined;
}

interface Plan {
  /** What is given, without the policy, and without what has a reader of its own. */
  plain: PlainField[];
  ownNames: string[];
  /** Of what has one. */
  ownSchema: z.ZodObject;
  /** Of its policy. */
  policySchema: z.ZodObject;
  policyNames: string[];
  /** What is left out; frozen, as tasks inherit it. */
  defaults: object;
}

/** The fields as they come out of their schemas, defaults filled in, and the policy of them. */
export interface QuickTask {
  /** Read each by its name: what was left out is inherited, and spread, Object.keys and JSON do not see it. */
  fields: object;
  policy: TaskPolicy;
}

export function createQuickReader(parts: QuickParts): (given: unknown) => QuickTask | undefined {
  const { readers } = parts;
  const plans = new Map<string, Plan>();
  const metOnce = new Set<string>();
  const policies = new Map<string, { fields: object; policy: TaskPolicy }>();
  const types = new Map<unknown, Fields>();

  function findFields(type: unknown): Fields | undefined {
    if (types.size === 0) for (const each of TASK_TYPES) types.set(each, readDefaults(parts.shapeOf(each)));
    return types.get(type);
  }

  /** One caller's tasks mostly give the same fields, in the same order. */
  let last: { type: unknown; names: readonly string[]; plan: Plan } | undefined;

  function findPlan(given: object): Plan | undefined {
    const type: unknown = Reflect.get(given, "type");
    const names = Object.keys(given);
    if (last && last.type === type && areSame(last.names, names)) return last.plan;
    const plan = findPlanOf(type, names.toSorted());
    if (plan) last = { type, names, plan };
    return plan;
  }

  function findPlanOf(type: unknown, names: string[]): Plan | undefined {
    const fields = findFields(type);
    // Before anything is remembered: a caller's own words are of any length.
    if (!fields || names.some((name) => !Object.hasOwn(fields.shape, name))) return undefined;
    const key = JSON.stringify([type, names]);
    const known = plans.get(key);
    if (known) return known;
    if (!metOnce.delete(key)) {
      keepNewest(metOnce, MAX_PLANS).add(key);
      return undefined;
    }
    const plan = makePlan(parts, fields, names);
    if (plan) keepNewest(plans, MAX_PLANS).set(key, plan);
    return plan;
  }

  /** Of who gives any of it; shared by all who give the same. */
  function findPolicy({ policySchema, policyNames, defaults }: Plan, given: object) {
    const own = pick(given, policyNames);
    const text = JSON.stringify(own);
    // It is written for a number that is too large as well, which no field takes.
    if (text.includes("null") && holdsInfinity(own)) return undefined;
    const known = policies.get(text);
    if (known) return known;
    const read = policySchema.safeParse(own);
    if (!read.success) return undefined;
    const found = { fields: read.data, policy: parts.toPolicy({ ...defaults, ...read.data }) };
    if (text.length > MAX_POLICY_CHARS) return found;
    sharePolicy(found.policy);
    keepNewest(policies, MAX_POLICIES).set(text, deepFreeze(found));
    return found;
  }

  /** What a reader of its own reads, as far as it can. */
  function readOwn(names: readonly string[], given: object): object | undefined {
    const own: Record<string, unknown> = {};
    for (const name of names) {
      const value = readers[name]!(Reflect.get(given, name));
      if (value === undefined) return undefined;
      own[name] = value;
    }
    return own;
  }

  function readAll(given: object): QuickTask | undefined {
    const plan = findPlan(given);
    if (!plan) return undefined;
    const { plain, ownNames, ownSchema, policyNames, defaults } = plan;
    const found = policyNames.length === 0 ? BY_DEFAULT : findPolicy(plan, given);
    if (!found) return undefined;
    const own = readOwn(ownNames, given) ?? ownSchema.safeParse(given).data;
    if (!own) return undefined;
    // What is left out is found behind it: to copy some thirty fields takes longer than to read five.
    const fields = Object.assign(Object.create(defaults), found.fields, own) as Record<string, unknown>;
    for (const field of plain) if (!readPlain(field, given, fields)) return undefined;
    return { fields, policy: found.policy };
  }

  return (given) =>
    typeof given === "object" && given !== null && !Array.isArray(given) ? readAll(given) : undefined;
}

/** Puts it among the fields, by its schema or as it was read before; false: something is wrong with it. */
function readPlain(field: PlainField, from: object, fields: Record<string, unknown>): boolean {
  const { name, schema, isRepeated, last } = field;
  const given: unknown = Reflect.get(from, name);
  if (last && given === last.given) {
    fields[name] = last.read;
    return true;
  }
  const { success, data } = schema.safeParse(given);
  if (!success) return false;
  fields[name] = data;
  if (isRepeated && typeof given === "string" && given.length <= MAX_TEXT_CHARS)
    field.last = { given, read: deepFreeze(data) };
  return true;
}

/** The fields of a type. */
interface Fields {
  shape: z.ZodRawShape;
  /** Of those that may be left out. */
  defaults: Map<string, unknown>;
}

function readDefaults(shape: z.ZodRawShape): Fields {
  const defaults = new Map<string, unknown>();
  for (const [name, field] of Object.entries(shape)) {
    const read = z.safeParse(field, undefined);
    if (read.success) defaults.set(name, deepFreeze(read.data));
  }
  return { shape, defaults };
}

/** Undefined where one that is needed is left out. */
function makePlan(
  { policyFields, repeatedFields, readers }: QuickParts,
  { shape, defaults }: Fields,
  names: string[],
): Plan | undefined {
  const leftOut = Object.keys(shape).filter((name) => !names.includes(name));
  if (leftOut.some((name) => !defaults.has(name))) return undefined;
  const ofPolicy = new Set(policyFields);
  const policyNames = names.filter((name) => ofPolicy.has(name)).sort();
  const others = names.filter((name) => !ofPolicy.has(name));
  const ownNames = others.filter((name) => Object.hasOwn(readers, name));
  const schemaOf = (of: string[]) => z.object(pick(shape, of) as z.ZodRawShape);
  const plainOf = (name: string): PlainField => ({
    ...{ name, schema: shape[name] as z.ZodType },
    ...{ isRepeated: repeatedFields.includes(name), last: undefined },
  });
  return {
    plain: others.filter((name) => !ownNames.includes(name)).map(plainOf),
    ownSchema: schemaOf(ownNames),
    policySchema: schemaOf(policyNames),
    ...{ ownNames, policyNames },
    defaults: Object.freeze(Object.fromEntries(leftOut.map((name) => [name, defaults.get(name)]))),
  };
}

const pick = (from: object, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, Reflect.get(from, name) as unknown]));

const areSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((name, index) => name === others[index]);

const holdsInfinity = (value: unknown): boolean =>
  typeof value === "number"
    ? !Number.isFinite(value)
    : typeof value === "object" && value !== null && Object.values(value).some(holdsInfinity);

/** Makes room for one more: what came first goes. */
function keepNewest<M extends { size: number; keys(): Iterator<string>; delete(key: string): boolean }>(
  of: M,
  most: number,
): M {
  if (of.size >= most) of.delete(of.keys().next().value as string);
  return of;
}
