import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { comparePositions, createAfterTest, isPast, laterPosition } from "./log-position.ts";
import { openTestStore } from "./testing/test-store.ts";

const { db } = await openTestStore(createTestDatabase);

const SNAPSHOTS = ["10:10:", "10:20:12,15", "5:9:5,8"];
const POSITIONS = ["4:9", "5:1", "8:0", "9:3", "10:0", "10:7", "12:1", "15:2", "19:1", "20:0", "100:1"];

test("positions compare as numbers, transaction before line", () => {
  assert.ok(comparePositions("9:1", "10:1") < 0);
  assert.ok(comparePositions("10:10", "10:9") > 0);
  assert.equal(comparePositions("18446744073709551615:1", "18446744073709551615:1"), 0);
  assert.equal(laterPosition("9:100", "10:1"), "10:1");
});

test("what comes after a position is what the database says, with a snapshot and without", async () => {
  for (const position of ["0:0", "10:0", "10:7"]) {
    for (const snapshot of [undefined, ...SNAPSHOTS]) {
      const isAfter = createAfterTest({ position, ...(snapshot === undefined ? {} : { snapshot }) });
      for (const line of POSITIONS) {
        const [xid, id] = line.split(":");
        const [fromXid, fromId] = position.split(":");
        const { rows } = await sql<{ after: boolean }>`
          SELECT (${xid}::xid8, ${id}::bigint) > (${fromXid}::xid8, ${fromId}::bigint)
            AND (${snapshot ?? null}::pg_snapshot IS NULL
              OR NOT pg_visible_in_snapshot(${xid}::xid8, ${snapshot ?? null}::pg_snapshot)) AS after`.execute(
          db,
        );
        assert.equal(isAfter(line), rows[0]!.after, `${line} after ${position}, ${snapshot}`);
      }
    }
  }
});

test("a snapshot is done with once everything it shows lies before", () => {
  const from = { position: "10:0", snapshot: "10:20:12" };
  assert.equal(isPast("15:3", from), false);
  assert.equal(isPast("20:1", from), true);
  assert.equal(isPast("9:1", { position: "10:0" }), false);
  assert.equal(isPast("10:0", { position: "10:0" }), true);
});
