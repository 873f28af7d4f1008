import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeSchema } from "./schema-rule.ts";

const KNOWN = ["0001-initial", "0002-room", "0003-load"];

test("what is ours and not applied is pending, oldest first", () => {
  assert.deepEqual(judgeSchema([], KNOWN), { pending: KNOWN, later: [] });
  assert.deepEqual(judgeSchema(["0001-initial"], KNOWN), { pending: KNOWN.slice(1), later: [] });
  assert.deepEqual(judgeSchema(KNOWN, KNOWN), { pending: [], later: [] });
});

test("later migrations that add are accepted, and so are those that take away what we do without", () => {
  const later = ["0004-add-queues", "0005-drop-room-needs-0002", "0006-drop-load-needs-0003"];
  assert.deepEqual(judgeSchema([...KNOWN, ...later], KNOWN), { pending: [], later });
});

test("one that takes away what we need is refused, by what follows it as well", () => {
  for (const later of [["0005-drop-room-needs-0004"], ["0005-drop-room-needs-0004", "0006-add-queues"]]) {
    const { refusal } = judgeSchema([...KNOWN, ...later], KNOWN);
    assert.match(refusal!, /0005-drop-room-needs-0004.*know migration 0004.*newest of this one is 0003/);
    assert.match(refusal!, /Start a later release, or .*migrate -- down/);
  }
});

test("a schema of another line is refused", () => {
  assert.match(judgeSchema([...KNOWN, "0002-other"], KNOWN).refusal!, /not this release's.*0002-other/);
  assert.match(judgeSchema(["0001-initial", "0004-later"], KNOWN).refusal!, /lacks 0002-room, 0003-load/);
});
