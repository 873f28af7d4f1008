/** Each statement of docs/api.md that stands in api/ is there to the letter, and is so. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openApi } from "../../api/testing/open-api.ts";
import { MARKDOWN } from "./api/document.ts";
import { createFinder } from "./api/find-unheld.ts";
import type { Elsewhere } from "./api/statement.ts";
import { STATEMENTS } from "./api/statements.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const findAll = createFinder(MARKDOWN);
const api = await openApi();

for (const { says, holds, heldBy = [] } of STATEMENTS)
  test(`docs/api.md: ${says.split("\n")[0]}`, async () => {
    assertIsSaidOnce(says);
    assert.ok(holds || heldBy.length > 0, "nothing holds it");
    for (const elsewhere of heldBy) assertIsTested(elsewhere);
    await holds?.({ api, tenant: await api.newTenant() });
  });

function assertIsSaidOnce(says: string): void {
  const { length } = findAll(says);
  assert.notEqual(
    length,
    0,
    `docs/api.md does not say this. Mend whichever is wrong, it or the statement:\n  ${says}`,
  );
  assert.equal(
    length,
    1,
    `docs/api.md says this more than once. Quote more, so that one place is meant:\n  ${says}`,
  );
}

function assertIsTested([file, name]: Elsewhere): void {
  const source = readFileSync(join(ROOT, file), "utf8");
  assert.ok(source.includes(name), `${file} has no test whose name holds ${JSON.stringify(name)}`);
}
