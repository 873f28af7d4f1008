/** Each planted mistake is caught, by what it violates, within so many interleavings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exhaust, SMALL_CONFIGURATIONS } from "./explore/exhaust.ts";
import { explore } from "./explore/explore.ts";
import { NO_BUGS, PLANTED_BUGS, type PlantedBug } from "./planted-bugs.ts";

const WITHIN = 2_000;

/** Where the search begins. The same for all; where one comes late by it, a seed that is not far from what finds it. */
const SEED = 1;

/** What may be violated first, and where to begin. */
const CAUGHT: Record<PlantedBug, { by: string[]; seed?: number }> = {
  "cursor-outside-its-transaction": { by: ["fires-once"] },
  "staging-without-locks": { by: ["fires-once"] },
  "finish-without-claim-number": { by: ["no-overlap", "recorded-by-holder"] },
  "finish-without-fence": { by: ["no-overlap", "recorded-by-holder"] },
  "rescue-without-gap-guard": { by: ["lease-kept"], seed: 3_400 },
  "rescue-without-state-check": { by: ["legal-changes", "limits-exact", "one-final-row"] },
  "lease-counted-from-confirmation": { by: ["begins-under-lease"] },
  "begins-after-lapse": { by: ["no-overlap", "begins-under-lease"] },
  "lost-runs-go-on": { by: ["stale-stops"] },
  "offset-committed-early": { by: ["bells-kept"] },
  "no-sweep": { by: ["on-time-afterwards"] },
  "draining-commits-its-bells": { by: ["bells-kept"] },
  "given-back-and-not-stopped": { by: ["no-overlap"] },
  "claims-forgotten": { by: ["nothing-stuck"] },
  "permits-returned-twice": { by: ["limits-exact"], seed: 4_500 },
  "permits-never-returned": { by: ["limits-exact"] },
  "admission-without-lock": { by: ["limits-exact"] },
  "overlap-decided-when-staged": { by: ["skips-in-time"] },
  "overlap-without-task-lock": { by: ["overlap-obeyed"], seed: 6_200 },
  "change-renews-in-place": { by: ["change-wins"] },
  "cancel-reads-before-lock": { by: ["fires-once", "legal-changes", "limits-exact"] },
  "catch-up-forgets-passed": { by: ["fires-once"] },
};

for (const [bug, { by, seed = SEED }] of Object.entries(CAUGHT))
  test(`${bug} is caught`, () => {
    const { found } = explore({ interleavings: WITHIN, seed, hasBug: (name) => name === bug });
    assert.ok(by.includes(found?.violation?.invariant ?? "none"), `by ${found?.violation?.invariant}`);
  });

test("each planted mistake is on the list", () => {
  assert.deepEqual(Object.keys(CAUGHT).sort(), Object.keys(PLANTED_BUGS).sort());
});

const exhaustAll = (depth: number, bug: PlantedBug | null) =>
  SMALL_CONFIGURATIONS.map((configuration) =>
    exhaust({ configuration, depth, hasBug: bug ? (name) => name === bug : NO_BUGS }),
  );

test("a search through all small configurations finds nothing, and comes to an end", () => {
  for (const { found, isWhole } of exhaustAll(5, null)) {
    assert.equal(found?.violation, undefined);
    assert.ok(isWhole);
  }
});

for (const [bug, invariant] of [
  ["cursor-outside-its-transaction", "fires-once"],
  ["staging-without-locks", "fires-once"],
] as const)
  test(`the search finds ${bug}`, () => {
    const found = exhaustAll(7, bug).flatMap((exhausted) => exhausted.found ?? []);
    assert.ok(found.some(({ violation }) => violation?.invariant === invariant));
  });
