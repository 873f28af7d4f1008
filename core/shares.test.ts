import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createShares } from "./shares.ts";

const of = (namespaceId: string, functionId: string) => ({ namespaceId, functionId });

describe("shares", () => {
  test("a function, a namespace and all together hold no more than their share", () => {
    const shares = createShares({ function: 2, namespace: 3, all: 5 });
    assert.equal(shares.take(of("a", "a1"), 2), true);
    assert.equal(shares.take(of("a", "a1"), 1), false, "the function's");
    assert.equal(shares.take(of("a", "a2"), 1), true);
    assert.equal(shares.take(of("a", "a2"), 1), false, "the namespace's");
    assert.equal(shares.take(of("b", "b1"), 2), true);
    assert.equal(shares.take(of("c", "c1"), 1), false, "all of it");
    assert.equal(shares.held, 5);
  });

  test("what is given back can be taken again, and what was refused took nothing", () => {
    const shares = createShares({ function: 3, namespace: 4, all: 4 });
    assert.equal(shares.take(of("a", "a1"), 3), true);
    assert.equal(shares.take(of("a", "a2"), 2), false);
    assert.equal(shares.take(of("a", "a2"), 1), true);
    shares.release(of("a", "a1"), 3);
    shares.release(of("a", "a2"), 1);
    assert.equal(shares.held, 0);
    assert.equal(shares.take(of("a", "a2"), 3), true);
  });
});
