import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { EgressError } from "./egress-error.ts";
import { createPools, type Pools } from "./pools.ts";
import type { EgressRules } from "./tenant-rules.ts";

const REFUSED = new EgressError("egress_blocked", "refused");
const LIMITS = {
  ...{ maxOrigins: 2, maxOriginsPerTenant: 2 },
  ...{ connectionsPerOrigin: 1, keptConnectionsPerTenant: 1 },
};
const sayNothing = (): EgressRules => ({ allow: [], deny: [], hosts: null });
const to = (origin: string) => new URL("/path", origin);

const opened: Pools[] = [];
after(() => Promise.all(opened.map((pools) => pools.destroy())));

/** Pools that are never connected, and what was judged for them. */
function open(refused: string[] = []) {
  const judged: string[] = [];
  const pools = createPools(
    {
      judge({ origin }) {
        judged.push(origin);
        if (refused.includes(origin)) throw REFUSED;
      },
      connectBy: () => () => assert.fail("it was connected"),
    },
    LIMITS,
  );
  opened.push(pools);
  return { pools, judged };
}

describe("a pool", () => {
  test("is judged once, before it is opened: for each origin, its port and scheme too, tenant and rules", () => {
    const { pools, judged } = open();
    const rules = sayNothing();
    const first = pools.get(to("http://a.test"), rules, "one");
    assert.equal(pools.get(to("http://a.test"), rules, "one"), first);
    assert.deepEqual(judged, ["http://a.test"]);
    pools.get(to("http://a.test"), rules, "two");
    pools.get(to("http://a.test"), sayNothing(), "one");
    pools.get(to("http://a.test:81"), rules, "two");
    pools.get(to("https://a.test"), rules, "one");
    assert.deepEqual(judged.slice(1), [
      "http://a.test",
      "http://a.test",
      "http://a.test:81",
      "https://a.test",
    ]);
  });

  test("that had to make room is judged anew", () => {
    const { pools, judged } = open();
    const rules = sayNothing();
    const origins = ["http://a.test", "http://b.test", "http://c.test", "http://a.test"];
    for (const origin of origins) pools.get(to(origin), rules);
    assert.deepEqual(judged, origins);
  });

  test("is not kept where it is refused: whoever asks again is refused again", () => {
    const { pools, judged } = open(["http://a.test", "http://b.test:25"]);
    const rules = sayNothing();
    const kept = ["http://b.test", "http://c.test"].map((origin) => pools.get(to(origin), rules));
    for (const origin of ["http://a.test", "http://a.test", "http://b.test:25", "http://b.test:25"])
      assert.throws(() => pools.get(to(origin), rules), REFUSED);
    assert.equal(judged.length, 6);
    // Nor did any other make room for it.
    assert.deepEqual(
      ["http://b.test", "http://c.test"].map((origin) => pools.get(to(origin), rules)),
      kept,
    );
    assert.equal(judged.length, 6);
  });

  test("of other rules is gone even where those of now refuse its origin", () => {
    const refused: string[] = [];
    const { pools, judged } = open(refused);
    const [before, now] = [sayNothing(), sayNothing()];
    const first = pools.get(to("http://a.test"), before);
    refused.push("http://a.test");
    assert.throws(() => pools.get(to("http://a.test"), now), REFUSED);
    refused.pop();
    assert.notEqual(pools.get(to("http://a.test"), before), first);
    assert.equal(judged.length, 3);
  });
});
