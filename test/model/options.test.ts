import assert from "node:assert/strict";
import { test } from "node:test";
import { HELP, parseOptions, UsageError } from "./options.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";

test("the options of the model are what is said, or 20,000 interleavings from another seed each time", () => {
  const { seed, jobs, ...rest } = parseOptions([]) as Exclude<ReturnType<typeof parseOptions>, "help">;
  assert.ok(Number.isInteger(seed) && seed >= 0);
  assert.ok(jobs >= 1 && jobs <= 10);
  assert.deepEqual(rest, { interleavings: 20_000, bug: null, exhaustive: null });
  assert.deepEqual(parseOptions("--interleavings 5 --seed 7 --bug no-sweep".split(" ")), {
    ...{ interleavings: 5, seed: 7, bug: "no-sweep", jobs: 1, exhaustive: null },
  });
  assert.deepEqual(parseOptions("--jobs 3 --seed 7 --exhaustive 12".split(" ")), {
    ...{ interleavings: 20_000, seed: 7, bug: null, jobs: 3, exhaustive: 12 },
  });
  assert.equal(parseOptions(["--help"]), "help");
  for (const bug of Object.keys(PLANTED_BUGS)) assert.match(HELP, new RegExp(`\\b${bug}\\b`));
});

for (const wrong of [
  "--interleavings 0",
  "--seed -1",
  "--seed 1.5",
  "--bug none",
  "--speed 3",
  "--jobs 0",
  "--exhaustive deep",
  "more",
])
  test(`${wrong} is refused`, () => {
    assert.throws(() => parseOptions(wrong.split(" ")), UsageError);
  });
