/** What counts as a figure, and when it is held. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findFigures } from "./find-figures.ts";
import { findUnheld } from "./find-unheld.ts";

const figuresOf = (markdown: string) => findFigures(markdown).map(({ from, to }) => markdown.slice(from, to));

test("numbers, statuses, defaults and codes are figures, in prose, tables and code that is a bare value", () => {
  for (const [markdown, figures] of [
    ["At most 1,000 of them, 64 KB.", ["1,000", "64"]],
    ["It is a 404.", ["404"]],
    ["429 and 5xx are retried.", ["429", "5xx"]],
    ['| `timeout` | `"30s"` | 100 ms |', ["30", "100"]],
    ["the zone (default `UTC`)", ["default"]],
    ["fails as `function_not_found`", ["function_not_found"]],
    [
      "waits for ten seconds, within a second, at most twenty",
      ["ten seconds", "within a second", "at most twenty"],
    ],
  ] as const)
    assert.deepEqual(figuresOf(markdown), figures, markdown);
});

test("names, examples, links and fenced code are none", () => {
  for (const markdown of [
    "RFC 3339, ISO 8601, U+0000, HTTP/1.0",
    '`{"revision": 1}`, `30 2 * * *`, `/v1/tasks`, the namespace `default`',
    "[ADR](decisions/0019-openapi.md)",
    "```sh\ncurl -m 30\n```",
    "two hosts",
  ])
    assert.deepEqual(figuresOf(markdown), [], markdown);
});

const TEXT = "# The API\n\nA key has `100` streams; the next is a 429.\n";

test("a figure is held by a statement that quotes it, backticks or not, and covers it", () => {
  assert.deepEqual(findUnheld(TEXT, [{ says: "has 100 streams; the next is a 429" }]), []);
  const [only, ...others] = findUnheld(TEXT, [{ says: "has 100 streams" }]);
  assert.deepEqual(others, []);
  assert.deepEqual([only!.line, only!.figures], [3, ["429"]]);
  const covers = (figure: string) => figure === "429";
  assert.deepEqual(findUnheld(TEXT, [{ says: "has 100 streams; the next is a 429", covers }])[0]!.figures, [
    "100",
  ]);
});

test("what is said elsewhere in the document is not held by it", () => {
  const told = findUnheld(`${TEXT}\nA hook has 100 headers.\n`, [
    { says: "has 100 streams; the next is a 429" },
  ]);
  assert.deepEqual(
    told.map(({ line, text }) => [line, text]),
    [[5, "A hook has 100 headers."]],
  );
});
