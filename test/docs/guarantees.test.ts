/** Each guarantee names the tests that hold it: they are there, under that title. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const page = await readFile(new URL("docs/guarantees.md", root), "utf8");

interface Citation {
  file: string;
  titles: string[];
}

/** A file in code, a colon, and one title or several in curly quotation marks. */
function listCitations(text: string): Citation[] {
  const found = [...text.matchAll(/`([\w./-]+\.test\.ts)`: ((?:“[^”]+”(?:, )?)+)/g)];
  return found.map(([, file, titles]) => ({
    file: file!,
    titles: [...titles!.matchAll(/“([^”]+)”/g)].map(([, title]) => title!),
  }));
}

test("docs/guarantees.md names tests that are there", async () => {
  const missing: string[] = [];
  for (const { file, titles } of listCitations(page)) {
    const text = await readFile(new URL(file, root), "utf8");
    const isTest = (title: string) =>
      text.split("\n").some((line) => /\b(?:test|it|describe)\(/.test(line) && line.includes(title));
    missing.push(...titles.filter((title) => !isTest(title)).map((title) => `${file}: ${title}`));
  }
  assert.deepEqual(missing, []);
});

test("every guarantee and every crash of docs/guarantees.md names at least one", () => {
  const [promised, crashes] = page.split("## What a crash costs");
  const guarantees = promised!.split(/^(?=\*\*)/m).slice(1);
  const rows = crashes!
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  assert.ok(guarantees.length >= 10 && rows.length >= 5, "the page has another shape");
  const without = [...guarantees, ...rows].filter((text) => listCitations(text).length === 0);
  assert.deepEqual(without, []);
});
