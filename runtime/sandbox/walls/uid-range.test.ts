import assert from "node:assert/strict";
import { test } from "node:test";
import { covers, IdLender, idBlock } from "./uid-range.ts";

const WHOLE = "         0          0 4294967295\n";
const CONTAINER = "         0     100000      65536\n";

test("a map covers what one of its lines holds whole", () => {
  assert.equal(covers(WHOLE, { first: 5, count: 10 }), true);
  assert.equal(covers(CONTAINER, { first: 65_530, count: 6 }), true);
  assert.equal(covers(CONTAINER, { first: 65_530, count: 7 }), false);
  assert.equal(covers("0 1000 1\n1 100000 65536\n", { first: 40_000, count: 64 }), true);
  assert.equal(covers("", { first: 0, count: 1 }), false);
});

test("workers of one machine have blocks apart, up to the largest pid", () => {
  const blocks = [1, 2, 4_194_303].map((pid) => idBlock(WHOLE, WHOLE, pid)!);
  assert.deepEqual(
    blocks.map(({ first }) => first),
    [0x7000_0040, 0x7000_0080, 0x7fff_ffc0],
  );
  assert.ok(blocks.every(({ count }) => count === 64));
});

test("a small map has blocks below those of system users; one user alone has none", () => {
  for (const pid of [1, 443, 444, 4_194_303]) {
    const { first, count } = idBlock(CONTAINER, CONTAINER, pid)!;
    assert.ok(first >= 32_768 && first + count <= 61_184, String(first));
  }
  assert.equal(idBlock(WHOLE, "0 1000 1", 7), undefined);
  assert.equal(idBlock("0 1000 1", WHOLE, 7), undefined);
});

test("an id is lent once, again only after the others, and twice only where all are lent", () => {
  const lender = new IdLender({ first: 100, count: 3 });
  assert.deepEqual([lender.lend(), lender.lend()], [100, 101]);
  lender.giveBack(100);
  assert.deepEqual([lender.lend(), lender.lend()], [102, 100]);
  assert.equal(lender.lend(), 100);
  lender.giveBack(100);
  lender.giveBack(102);
  assert.equal(lender.lend(), 102);
});
