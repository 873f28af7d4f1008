/** docs/errors.md is made of the code, and every code that people see is in it. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CLI_CODES } from "../../cli/failure-codes.ts";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { RUN_ERRORS } from "../../core/domain/run-errors.ts";
import { CATALOGUE_FILE, describeErrors } from "../../scripts/error-catalogue.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const page = readFileSync(CATALOGUE_FILE, "utf8");

test("docs/errors.md is what the code makes of it", () => {
  assert.ok(page === describeErrors(), "npm run error-catalogue writes it anew");
});

test("each error has one place, says where it comes from and what to do", () => {
  const entries = page.split(/^### /m).slice(1);
  const codes = [...new Set([...Object.keys(PROBLEM_CODES), ...Object.keys(RUN_ERRORS)])].sort();
  assert.deepEqual(
    entries.map((entry) => entry.split("\n")[0]),
    [...codes, ...Object.keys(CLI_CODES)],
  );
  for (const entry of entries) assert.match(entry, /^\w+\n\n\S.*\n\n\*\*Do:\*\* \S.*[.…`]\n/, entry);
  for (const entry of entries.slice(0, codes.length))
    assert.match(entry, /\*(status \d{3}|error of a run)/, entry);
});

test("every code that the command line gives by itself is one of its own or the API's", () => {
  const known = new Set(Object.keys({ ...PROBLEM_CODES, ...RUN_ERRORS, ...CLI_CODES }));
  const given = new Set<string>();
  for (const file of globSync("cli/**/*.ts", { cwd: ROOT, exclude: (name) => name.endsWith(".test.ts") }))
    for (const [, code] of readFileSync(join(ROOT, file), "utf8").matchAll(/\bcode(?: =|:) "(\w+)"/g))
      given.add(code!);
  assert.deepEqual(
    [...given].filter((code) => !known.has(code)),
    [],
  );
});
