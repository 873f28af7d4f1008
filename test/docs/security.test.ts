/** SECURITY.md: each promise names tests, and they are there. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..", "..");
const text = await readFile(join(ROOT, "SECURITY.md"), "utf8");
const LINK = /\[([^\]]+)\]\(([^)#]+\.test\.ts)\)/g;

const between = (from: string, to: string) =>
  text.slice(text.indexOf(`\n## ${from}`), text.indexOf(`\n## ${to}`));

test("every promise names a test", () => {
  const promises = between("What is promised, and what holds it", "What is not promised").match(/^- .*$/gm)!;
  assert.ok(promises.length > 30);
  for (const promise of promises) assert.ok(promise.match(LINK), promise);
});

test("every test that is named is there, by its file and by its name", async () => {
  const missing: string[] = [];
  for (const [, name, file] of text.matchAll(LINK)) {
    if (name === file) continue;
    const source = await readFile(join(ROOT, file!), "utf8").catch(() => "");
    const isThere = new RegExp(`(?:test|it)\\(\\s*(["'\`])(?:(?!\\1).)*${toLiteral(name!)}`, "s").test(
      source,
    );
    if (!isThere) missing.push(`${name} in ${file}`);
  }
  assert.deepEqual(missing, []);
});

const toLiteral = (name: string) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
