/** The document of the API lists every code that a run's error may have. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { RUN_ERRORS } from "../../core/domain/run-errors.ts";

const api = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");

test("docs/api.md lists the error codes of runs, and no others", () => {
  const [, table] = /\*\*Error codes of runs\*\*\n\n([\s\S]*?)\n\n/.exec(api)!;
  const listed = table!
    .split("\n")
    .slice(2)
    .flatMap((row) => [...row.split("|")[1]!.matchAll(/`(\w+)`/g)].map(([, code]) => code!));
  assert.deepEqual(listed.toSorted(), Object.keys(RUN_ERRORS).toSorted());
});
