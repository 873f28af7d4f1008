import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { callbacksField } from "./callbacks.ts";
import { instantField } from "./common.ts";
import { completionInput } from "./completion.ts";
import { IN_PLAIN_WORDS, toFieldErrors } from "./plain-words.ts";
import { limitKeyField } from "./queue-fields.ts";
import { taskInput } from "./task-input.ts";

const parse = (schema: z.ZodType, input: unknown) => {
  const parsed = schema.safeParse(input, IN_PLAIN_WORDS);
  assert.ok(!parsed.success, `accepted: ${JSON.stringify(input)}`);
  return toFieldErrors(parsed.error.issues);
};
const say = (schema: z.ZodType, input: unknown) => parse(schema, input).map(({ message }) => message);
const choice = z.union([z.number(), z.strictObject({ a: z.string(), b: z.int().min(2) })]);

const CASES: [what: string, schema: z.ZodType, input: unknown, messages: string[]][] = [
  ["text, given a number", z.string(), 5, ["must be text, not a number"]],
  ["text, given null", z.string(), null, ["must be text, not null"]],
  ["text, given nothing", z.string(), undefined, ["is needed"]],
  ["a number, given text", z.number(), "5", ["must be a number, not text"]],
  ["a number, given none", z.number(), Number.NaN, ["must be a number, not NaN"]],
  ["a whole number, given another", z.int(), 1.5, ["must be a whole number, not 1.5"]],
  ["a switch, given text", z.boolean(), "yes", ["must be true or false, not text"]],
  ["an object, given a list", z.strictObject({}), [], ["must be an object, not a list"]],
  ["a record, given true", z.record(z.string(), z.string()), true, ["must be an object, not true"]],
  ["a list, given an object", z.array(z.string()), {}, ["must be a list, not an object"]],
  ["anything, given nothing", z.custom((value) => value !== undefined), undefined, ["is needed"]],
  ["text that is empty", z.string().min(1), "", ["must not be empty"]],
  ["text that is short", z.string().min(3), "ab", ["must be at least 3 characters long"]],
  ["text that is long", z.string().max(1), "ab", ["must be at most 1 character long"]],
  ["a list that is short", z.array(z.string()).min(1), [], ["must hold at least 1 entry"]],
  ["a list that is long", z.array(z.string()).max(2), ["a", "b", "c"], ["must hold at most 2 entries"]],
  ["a number that is small", z.number().min(3), 2, ["must be at least 3"]],
  ["a number that is large", z.number().lt(3), 3, ["must be less than 3"]],
  ["a number between", z.number().multipleOf(5), 7, ["must be a multiple of 5"]],
  ["one of several", z.enum(["a", "b"]), "c", ["must be one of a, b"]],
  ["just one", z.literal("x"), "y", ['must be "x"']],
  ["a format", z.base64(), "%", ["must be base64"]],
  ["a pattern", z.string().regex(/^a+$/), "b", ["must match /^a+$/"]],
  ["a beginning", z.string().startsWith("bh_"), "x", ['must begin with "bh_"']],
  ["one of two kinds", z.union([z.string(), z.boolean()]), 5, ["must be text or true or false"]],
  [
    "a part of a union, which is meant",
    choice,
    { a: 1, b: 1 },
    ["must be text, not a number", "must be at least 2"],
  ],
  ["a union's part, with a field too many", choice, { a: "x", b: 2, c: 3 }, ["unknown field"]],
  ["neither part of a union", choice, "x", ["must be a number or an object"]],
  [
    "a type of thing",
    z.discriminatedUnion("type", [z.object({ type: z.literal("a") }), z.object({ type: z.literal("b") })]),
    { type: "c" },
    ["must be one of a, b"],
  ],
  [
    "one of several, none of which is asked for",
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("a").optional() }),
      z.object({ kind: z.enum(["b", "c"]) }),
    ]),
    { kind: "d" },
    ["must be one of a, b, c"],
  ],
  [
    "a name in a record",
    z.record(z.string().max(1), z.string()),
    { ab: "" },
    ["must be at most 1 character long"],
  ],
  ["a message of the schema's own", z.string().min(9, "is too weak"), "x", ["is too weak"]],
];
for (const [what, schema, input, messages] of CASES) {
  test(`plain words for ${what}`, () => assert.deepEqual(say(schema, input), messages));
}

test("a refused part of a union is named by its path", () => {
  const schema = z.strictObject({ outer: choice });
  assert.deepEqual(
    parse(schema, { outer: { a: "x", b: "y", c: 1 } }).map(({ field }) => field),
    ["outer.b", "outer.c"],
  );
});

const said = (schema: z.ZodType, input: unknown) =>
  parse(schema, input).map(({ field, message }) => `${field}: ${message}`);

const NEEDED = "is needed";
const MEANT: [what: string, schema: z.ZodType, input: unknown, faults: string[]][] = [
  ["nothing", callbacksField, { success: [{}] }, [`success.0.task: ${NEEDED}`]],
  ["a request", callbacksField, { success: [{ type: "http" }] }, [`success.0.url: ${NEEDED}`]],
  ["an e-mail", callbacksField, { success: [{ type: "email" }] }, [`success.0.to: ${NEEDED}`]],
  ["a function", callbacksField, { success: [{ type: "function" }] }, [`success.0.function: ${NEEDED}`]],
  [
    "an unknown type",
    callbacksField,
    { success: [{ type: "fax", url: "x" }] },
    ["success.0.type: must be one of http, email, function"],
  ],
  [
    "a task, and more",
    callbacksField,
    { success: [{ task: "nightly", url: "x" }] },
    ["success.0.url: unknown field"],
  ],
  ["an error without a message", completionInput, { error: {} }, [`error.message: ${NEEDED}`]],
  ["an error in text", completionInput, { error: "x" }, ["error: must be an object, not text"]],
  ["no heartbeat", completionInput, { heartbeat: false }, ["heartbeat: must be true"]],
];
for (const [what, schema, input, faults] of MEANT) {
  test(`of a union, the part that was meant is the one that is refused: ${what}`, () =>
    assert.deepEqual(said(schema, input), faults));
}

test("whatever is given for a field of a task, zod's own words do not come out", () => {
  const schema = taskInput(() => new Date("2026-06-01T12:00:00.000Z"));
  const fields = [
    "type",
    "url",
    "method",
    "headers",
    "body",
    "followRedirects",
    "expectStatus",
    "from",
    "to",
    "cc",
    "bcc",
  ];
  fields.push(
    "replyTo",
    "subject",
    "html",
    "attachments",
    "function",
    "tag",
    "revision",
    "input",
    "name",
    "schedule",
  );
  fields.push("retry", "timeout", "deadLetter", "labels");
  const values = [
    null,
    5,
    1.5,
    -1,
    true,
    "",
    "x",
    "x".repeat(600_000),
    [],
    [null],
    [5],
    {},
    { a: null },
    { a: 5 },
  ];
  values.push(
    { maxAttempts: "x", backoff: { factor: [], initial: 5, jitter: 1 } } as never,
    { at: 5, cron: [] } as never,
  );
  values.push([{ filename: 5, content: 5 }] as never, { "": "" } as never);
  let refused = 0;
  for (const base of [
    { type: "http", url: "https://example.com/" },
    { type: "email", to: "ada@example.com", subject: "Hi", body: "text" },
    { type: "function", function: "greet" },
  ])
    for (const field of fields)
      for (const value of values) {
        const parsed = schema.safeParse({ ...base, [field]: value }, IN_PLAIN_WORDS);
        if (parsed.success) continue;
        for (const { message } of toFieldErrors(parsed.error.issues)) {
          refused += 1;
          assert.doesNotMatch(
            message,
            /[Ii]nvalid|expected|received|Too |Unrecognized/,
            `${field}: ${message}`,
          );
          assert.ok(message.length < 400, message);
        }
      }
  assert.ok(refused > 500);
});

test("what has the wrong type is told so once, and a missing instant is needed", () => {
  const schema = z.strictObject({
    ...{ rateKey: limitKeyField.nullable(), names: z.array(z.string().min(1)) },
    ...{ to: instantField, until: instantField },
  });
  assert.deepEqual(parse(schema, { rateKey: [], names: ["a", []], until: "9999-12-31T00:00:01Z" }), [
    { field: "rateKey", message: "must be text, not a list" },
    { field: "names.1", message: "must be text, not a list" },
    { field: "to", message: "is needed" },
    { field: "until", message: "lies after the year 9998" },
  ]);
});
