import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchAhead } from "./fetch-ahead.ts";

function open() {
  const asked: string[] = [];
  const parts = {
    revisions: {
      async facts(revisionId: string) {
        asked.push(`revision ${revisionId}`);
        if (revisionId === "gone") throw new Error("it is not there");
        return { limits: {}, reuse: false };
      },
    },
    envs: {
      async find(revisionId: string) {
        asked.push(`env ${revisionId}`);
        return { functionId: "f", env: {}, redactor: undefined as never };
      },
    },
  };
  return { asked, parts };
}

test("the revision is fetched, then what its runs find in their environment", async () => {
  const { asked, parts } = open();
  await fetchAhead(parts, "r");
  assert.deepEqual(asked, ["revision r", "env r"]);
});

test("a revision that is gone costs nothing", async () => {
  const { asked, parts } = open();
  await fetchAhead(parts, "gone");
  assert.deepEqual(asked, ["revision gone"]);
});
