/** Every status, limit, bound, default and error code of docs/api.md stands in a statement of api/, which holds it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MARKDOWN } from "./api/document.ts";
import { findUnheld } from "./api/find-unheld.ts";
import { STATEMENTS } from "./api/statements.ts";

test("docs/api.md names no status, limit, default or error code that no statement holds", () => {
  const unheld = findUnheld(MARKDOWN, STATEMENTS);
  const lines = unheld.map(
    ({ line, figures, text }) => `  docs/api.md:${line}: ${figures.join(", ")} in "${text}"`,
  );
  assert.equal(
    unheld.length,
    0,
    `Nobody holds docs/api.md to what it says here:\n${lines.join("\n")}\n\n` +
      "Add a statement to the chapter in test/docs/api/ that quotes the piece of the text (without backticks), with " +
      "the code's own constant for the figure: statement(says, test), or held(says, [file, name of its test]).",
  );
});
