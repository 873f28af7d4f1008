import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Cli } from "./session.ts";
import { readTaskDefinition, type TaskOptions } from "./task-definition.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellhop-task-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const read = (options: TaskOptions) => readTaskDefinition({ cwd: folder } as Cli, options);

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

test("an option that the task's type has no use for is refused by its name", async () => {
  const wrong: [TaskOptions, RegExp][] = [
    [
      { function: "hello", body: "1" },
      /^--body is for tasks of the type http, and this one is of the type function/,
    ],
    [{ function: "hello", method: "PUT" }, /^--method is for/],
    [{ function: "hello", header: ["A: b"] }, /^--header is for/],
    [{ function: "hello", subject: "Hi" }, /^--subject is for tasks of the type email/],
    [{ http: "https://example.com", input: "1" }, /^--input is for tasks of the type function/],
    [{ http: "https://example.com", text: "Hi" }, /^--text is for/],
    [{ email: ["ada@example.com"], input: "1" }, /^--input is for/],
    [{ email: ["ada@example.com"], body: "1" }, /^--body is for/],
  ];
  for (const [options, message] of wrong) await assert.rejects(read(options), { message, exitCode: 2 });
});

test("also where the type stands in a file", async () => {
  const file = await write("http.yaml", "type: http\nurl: https://example.com\nmethod: GET\n");
  await assert.rejects(read({ file, input: "1" }), { message: /^--input is for/, exitCode: 2 });
  assert.deepEqual(await read({ file, method: "post", body: '{"a": 1}' }), {
    ...{ type: "http", url: "https://example.com", method: "POST", body: { a: 1 } },
  });
});

test("options count more than a file, and leave the rest of it as it is", async () => {
  const file = await write(
    "mail.yaml",
    "type: email\nto: ada@example.com\nsubject: Hello\nbody: Good morning\n",
  );
  assert.deepEqual(await read({ file, email: ["bob@example.com"], text: "Good night" }), {
    ...{ type: "email", to: ["bob@example.com"], subject: "Hello", body: "Good night" },
  });
});

test("each type takes its own options", async () => {
  assert.deepEqual(await read({ function: "hello", input: "[1]" }), {
    ...{ type: "function", function: "hello", input: [1] },
  });
  assert.deepEqual(await read({ http: "https://example.com", header: ["Accept: text/plain"] }), {
    ...{ type: "http", url: "https://example.com", headers: { Accept: "text/plain" } },
  });
  assert.deepEqual(await read({ email: ["ada@example.com"], subject: "Hi", text: "Hello" }), {
    ...{ type: "email", to: ["ada@example.com"], subject: "Hi", body: "Hello" },
  });
  await assert.rejects(read({ input: "1" }), /Say what the task does/);
});
