/** Chapter "Limits". */
import assert from "node:assert/strict";
import { MAX_BODY_BYTES, MAX_DEPTH, MAX_ENTRIES } from "../../../api/bodies/body.ts";
import { MAX_PARTS, MAX_UPLOAD_BYTES } from "../../../api/functions/upload.ts";
import type { Answer, TestCaller } from "../../../api/testing/open-api.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MAX_BUNDLE_BYTES } from "../../../functions/build/compiler-messages.ts";
import { FETCH_LIMITS } from "../../../functions/build/packages/fetch-packages.ts";
import { MAX_PACKAGES } from "../../../functions/build/packages/locked-packages.ts";
import { MAX_FILES, MAX_SOURCE_BYTES } from "../../../functions/build/source-files.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import { MAX_RECORDED_BODY_BYTES } from "../../../runtime/runners/http-record.ts";
import {
  bounded,
  EMAIL_TASK,
  HTTP_TASK,
  held,
  makeFunction,
  n,
  type Statement,
  statement,
} from "./statement.ts";

const SANDBOX = "runtime/sandbox/sandbox.test.ts";
const x = (length: number) => "x".repeat(length);
const many = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, value]));

const bodies: Statement[] = [
  statement(`request body; its minimum speed | ${n(MAX_BODY_BYTES)} bytes`, async ({ tenant }) => {
    const post = (bytes: number) => {
      const rest = JSON.stringify({ ...HTTP_TASK, body: "" }).length;
      return tenant.call("POST", "/v1/tasks", { body: { ...HTTP_TASK, body: x(bytes - rest) } });
    };
    assertProblem(await post(MAX_BODY_BYTES + 1), 413, "body_too_large");
    assert.equal((await post(MAX_BODY_BYTES)).status, 201);
  }),
  statement(
    `(input, body and the dates of a calendar excepted); parts of an upload | ${MAX_DEPTH} levels; ${n(MAX_ENTRIES)}; ${MAX_PARTS} |`,
    async ({ tenant }) => {
      await makeFunction(tenant);
      await nestsTo(tenant, MAX_DEPTH);
      await holdsEntries(tenant, MAX_ENTRIES);
      await takesParts(tenant, MAX_PARTS);
    },
  ),
];

async function nestsTo(tenant: TestCaller, depth: number): Promise<void> {
  const invoke = (levels: number) =>
    tenant.call("POST", "/v1/functions/greet/invoke", {
      body: "[".repeat(levels) + "]".repeat(levels),
      headers: { prefer: "respond-async" },
    });
  assertProblem(await invoke(depth + 1), 400, "invalid_json");
  assert.equal((await invoke(depth)).status, 202);
}

/** Less than the most is looked at field by field, and found wrong for another reason. */
async function holdsEntries(tenant: TestCaller, most: number): Promise<void> {
  const post = (count: number): Promise<Answer> =>
    tenant.call("POST", "/v1/tasks", { body: { ...HTTP_TASK, labels: many(count, "x") } });
  for (const [count, isTooMany] of [
    [most, false],
    [most + 1, true],
  ] as const) {
    const answer = await post(count);
    assertProblem(answer, 422, "invalid_input", ["labels"]);
    assert.equal(/more than \d+ entries/.test(answer.body.errors[0].message), isTooMany);
  }
}

async function takesParts(tenant: TestCaller, most: number): Promise<void> {
  const put = (count: number): Promise<Answer> => {
    const form = new FormData();
    form.set("source", "export default () => 1;");
    for (let at = 1; at < count; at += 1) form.set(`n${at}`, "x");
    return tenant.call("PUT", "/v1/functions/parts", { body: form });
  };
  for (const [count, isTooMany] of [
    [most, false],
    [most + 1, true],
  ] as const) {
    const answer = await put(count);
    assertProblem(answer, 422, "invalid_input");
    assert.equal(/more than \d+ parts/.test(answer.body.detail), isTooMany);
  }
}

const withHeader = (value: string) => ({ headers: { "x-own": value } });

const texts: Statement[] = [
  statement("task name; URL; header value | 200; 8,192; 8,192 characters", async (world) => {
    const url = (length: number) => ({ url: "https://example.com/".padEnd(length, "x") });
    await bounded(HTTP_TASK, { field: "name", takes: [], refuses: [{ name: x(201) }] })(world);
    await bounded(HTTP_TASK, { field: "url", takes: [], refuses: [url(8_193)] })(world);
    await bounded(HTTP_TASK, {
      field: "headers.x-own",
      takes: [{ name: x(200) }, url(8_192), withHeader(x(8_192))],
      refuses: [withHeader(x(8_193))],
    })(world);
  }),
  statement("(a header value may hold tabs, and the bytes 80 to FF)", (world) =>
    bounded(HTTP_TASK, {
      field: "headers.x-own",
      takes: ["a\tb", "\u0080", "\u00ff"].map(withHeader),
      refuses: ["a\nb", "\u007f", "\u0100"].map(withHeader),
    })(world),
  ),
  statement(
    "headers; labels | 100; 32 (names to 63 letters, digits and . _ / -, a letter or digit first; values to 256 characters",
    async (world) => {
      const labels = (name: string, value: string) => ({ labels: { [name]: value } });
      await bounded(HTTP_TASK, { field: "headers", takes: [], refuses: [{ headers: many(101, "x") }] })(
        world,
      );
      await bounded(HTTP_TASK, { field: "labels", takes: [], refuses: [{ labels: many(33, "x") }] })(world);
      for (const name of [x(64), "_a", "a b", "é"])
        await bounded(HTTP_TASK, { field: `labels.${name}`, takes: [], refuses: [labels(name, "x")] })(world);
      await bounded(HTTP_TASK, {
        field: "labels.a",
        takes: [
          { headers: many(100, "x") },
          { labels: many(32, "x") },
          labels(x(63), x(256)),
          labels("9._/-Z", "x"),
        ],
        refuses: [labels("a", x(257))],
      })(world);
    },
  ),
  statement(
    "e-mail: recipients per list; subject; text, html; attachments | 100; 998; 500,000 characters each; 20 |",
    async (world) => {
      const list = (count: number) => Array<string>(count).fill("ada@example.com");
      const attachments = (count: number) =>
        Array.from({ length: count }, (_, at) => ({ filename: `${at}.txt`, content: "aGVsbG8=" }));
      const cases = {
        to: [{ to: list(100) }, { to: list(101) }],
        cc: [{ cc: list(100) }, { cc: list(101) }],
        bcc: [{ bcc: list(100) }, { bcc: list(101) }],
        body: [{ body: x(500_000) }, { body: x(500_001) }],
        html: [{ html: x(500_000) }, { html: x(500_001) }],
        attachments: [{ attachments: attachments(20) }, { attachments: attachments(21) }],
        subject: [{ subject: x(998) }, { subject: x(999) }],
      };
      for (const [field, [, beyond]] of Object.entries(cases))
        await bounded(EMAIL_TASK, { field, takes: [], refuses: [beyond!] })(world);
      const takes = Object.values(cases).map(([at]) => at!);
      await bounded(EMAIL_TASK, { field: "subject", takes, refuses: [] })(world);
    },
  ),
];

const functions: Statement[] = [
  statement("1 to 63 lower-case letters, digits and dashes, a letter first", async ({ tenant }) => {
    const put = (name: string) =>
      tenant.call("PUT", `/v1/functions/${name}`, { body: { source: "export default () => 1;" } });
    for (const name of ["a", `a${"-9".repeat(31)}`]) assert.equal((await put(name)).status, 201);
    for (const name of [x(64), "1a", "-a", "A", "a_b"]) assertProblem(await put(name), 422, "invalid_input");
  }),
  statement(
    `function upload | ${MAX_FILES} files, ${n(MAX_SOURCE_BYTES)} bytes, in a body of at most ${n(MAX_UPLOAD_BYTES)}; ${n(MAX_BUNDLE_BYTES)} bytes built |`,
    async ({ tenant }) => {
      const put = (files: Record<string, string>, entry = "index.ts") =>
        tenant.call("PUT", "/v1/functions/greet", { body: { files, entry } });
      const counted = (count: number) => {
        const others = Array.from({ length: count - 1 }, (_, at) => [`f${at}.ts`, ""]);
        return { "index.ts": "export default () => 1;", ...Object.fromEntries(others) };
      };
      const sized = (bytes: number) => {
        const source = "export default () => 1;//";
        return { "index.ts": source, "other.ts": `//${x(bytes - source.length - 2)}` };
      };
      // Each element of five bytes is built to some thirty.
      const swelling = { "index.tsx": `export default () => [${"<a/>,".repeat(MAX_BUNDLE_BYTES / 25)}];` };
      const padded = { source: `export default 1;${" ".repeat(MAX_UPLOAD_BYTES)}` };
      assertProblem(
        await tenant.call("PUT", "/v1/functions/greet", {
          body: padded,
          headers: { "content-length": String(JSON.stringify(padded).length) },
        }),
        413,
        "body_too_large",
      );
      for (const files of [counted(MAX_FILES + 1), sized(MAX_SOURCE_BYTES + 1)])
        assertProblem(await put(files), 422, "build_failed");
      const swollen = await put(swelling, "index.tsx");
      assertProblem(swollen, 422, "build_failed");
      assert.match(swollen.body.detail, /The built script takes [\d,]+ bytes/);
      for (const files of [counted(MAX_FILES), sized(MAX_SOURCE_BYTES)])
        assert.ok((await put(files)).status < 300);
    },
  ),
  held(
    `packages of an upload | ${MAX_PACKAGES}, in tarballs of ${n(FETCH_LIMITS.packedBytes)} bytes and ${n(FETCH_LIMITS.unpackedBytes)} unpacked, with ${n(FETCH_LIMITS.files)} files, fetched within ${FETCH_LIMITS.wallMs / 1_000} s |`,
    ["functions/build/packages/locked-packages.test.ts", "of too many packages"],
    [
      "functions/build/packages/fetch-packages.test.ts",
      "of so many bytes, all together, however long they go on",
    ],
    ["functions/build/packages/fetch-packages.test.ts", "within a time; who has none left is told"],
    ["functions/build/packages/unpack-package.test.ts", "one that grows, or has too many files, is refused"],
  ),
  held(
    `function log line; all lines of a run | ${n(GUEST_LIMITS.logLineBytes)} bytes; ${n(GUEST_LIMITS.runLogBytes)} bytes`,
    [SANDBOX, "cuts a line at 8 KB, fields included"],
    [
      "runtime/sandbox/parent/run-log.test.ts",
      "the lines of a run are bounded in bytes together, and what comes after says so",
    ],
  ),
  held(`function timers | ${n(GUEST_LIMITS.timers)} at once`, [SANDBOX, "are bounded in number"]),
  held(`recorded HTTP response | ${MAX_RECORDED_BODY_BYTES / 1_024} KiB of body`, [
    "runtime/runners/http.test.ts",
    "cuts a long body, and no character in two",
  ]),
];

export const LIMITS: Statement[] = [...bodies, ...texts, ...functions];
