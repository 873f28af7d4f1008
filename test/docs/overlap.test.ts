/** Every row of the table of overlaps in docs/schedules.md, as it stands there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decideOverlap, OVERLAPS, type Overlap } from "../../core/domain/overlap.ts";
import { readRows, toCode } from "./schedule-tables.ts";

const ROWS = readRows("an earlier run is open", "another waits", "the new one").map(
  ([overlap, busy, waiting, becomes]) => ({ overlap: toCode(overlap!) as Overlap, busy, waiting, becomes }),
);

test("each overlap has a row", () =>
  assert.deepEqual(new Set(ROWS.map(({ overlap }) => overlap)), new Set(OVERLAPS)));

for (const { overlap, busy, waiting, becomes } of ROWS) {
  test(`${overlap}, earlier ${busy}, waiting ${waiting}: ${becomes}`, () => {
    const line = { isBusy: busy === "yes", waiting: waiting === "yes" ? ["old"] : [], due: ["new"] };
    const verdict = decideOverlap(overlap, line);
    const list = { starts: verdict.start, "is skipped": verdict.skip }[becomes!] ?? verdict.wait;
    assert.deepEqual(list, ["new"]);
    assert.equal(verdict.cancelsBusy, becomes!.startsWith("waits until"));
  });
}
