import assert from "node:assert/strict";
import { test } from "node:test";
import { toFilter } from "./bulk.ts";

test("a filter that takes several values may be repeated, and any other is refused the second time", () => {
  assert.deepEqual(toFilter(["state=queued", "state=running", "queue=mail"]), {
    ...{ state: ["queued", "running"], queue: "mail" },
  });
  assert.throws(() => toFilter(["queue=mail", "queue=other"]), {
    ...{ message: "--filter queue is given twice, and takes one value.", exitCode: 2 },
  });
});
