import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  choosePlan,
  describeWalls,
  type HostFacts,
  hopedPlan,
  missingWalls,
  possibleWalls,
  WALLS,
  type Wall,
  type WallPlan,
} from "./plan.ts";

const tools = Object.fromEntries(
  ["setpriv", "unshare", "prlimit", "mount", "sh", "env", "ldd"].map((tool) => [tool, `/bin/${tool}`]),
);
const root: HostFacts = { isLinux: true, isRoot: true, tools, hasUidRange: true, tellsChildren: true };
const user: HostFacts = { ...root, isRoot: false };
const namespaced: Wall[] = ["network", "processes", "files"];

/** A host on which plans stand that ask for nothing of these. */
const refusing = (isRefused: (plan: WallPlan) => boolean) => {
  const tried: WallPlan[] = [];
  const stands = (plan: WallPlan) => {
    tried.push(plan);
    return !isRefused(plan);
  };
  return { tried, stands };
};

describe("choosePlan", () => {
  test("all walls at the first try, where the host allows them", async () => {
    const { tried, stands } = refusing(() => false);
    const plan = await choosePlan(root, stands);
    assert.deepEqual([[...plan.walls], plan.userNamespace, tried.length], [[...WALLS], false, 1]);
    assert.deepEqual(missingWalls(plan), []);
  });

  test("an ordinary user's namespaces are made inside one of users; a user id of its own it cannot give", async () => {
    const plan = await choosePlan(user, refusing(() => false).stands);
    assert.deepEqual([missingWalls(plan), plan.userNamespace], [["uid"], true]);
  });

  test("root that may make no namespaces plainly tries them inside one of users", async () => {
    const plan = await choosePlan(root, refusing(({ userNamespace }) => !userNamespace).stands);
    assert.deepEqual([missingWalls(plan), plan.userNamespace], [[], true]);
  });

  test("where no namespace is allowed the other walls stand", async () => {
    const { stands } = refusing(({ walls }) => namespaced.some((wall) => walls.has(wall)));
    const plan = await choosePlan(root, stands);
    assert.deepEqual([missingWalls(plan), plan.userNamespace], [namespaced, false]);
  });

  for (const refused of WALLS) {
    test(`where ${refused} alone is refused, it alone is missing`, async () => {
      const plan = await choosePlan(root, refusing(({ walls }) => walls.has(refused)).stands);
      assert.deepEqual(missingWalls(plan), [refused]);
    });
  }

  test("where nothing stands there are no walls, and nothing is tried in vain", async () => {
    assert.deepEqual([...(await choosePlan(root, () => false)).walls], []);
    const { tried, stands } = refusing(() => false);
    assert.deepEqual([...(await choosePlan({ ...root, isLinux: false }, stands)).walls], []);
    assert.equal(tried.length, 0);
  });
});

test("what is hoped for is what is tried first", async () => {
  for (const facts of [root, user, { ...root, tools: { setpriv: "/bin/setpriv" } }]) {
    const { tried, stands } = refusing(() => true);
    await choosePlan(facts, stands);
    assert.deepEqual(tried[0], hopedPlan(facts));
  }
});

test("only walls are tried that the host has the tools for", () => {
  assert.deepEqual([...possibleWalls({ ...root, tools: {} })], []);
  assert.deepEqual(
    [...possibleWalls({ ...root, tools: { setpriv: "/bin/setpriv" } })],
    ["death", "privileges", "uid"],
  );
  // Behind a fork the executor would not be found, and its memory not be watched.
  const silent = possibleWalls({ ...root, tellsChildren: false });
  assert.deepEqual(
    [silent.has("processes"), silent.has("files"), silent.has("network")],
    [false, false, true],
  );
  assert.equal(possibleWalls({ ...root, hasUidRange: false }).has("uid"), false);
});

test("a sentence names each missing wall and what would bring it", () => {
  assert.equal(describeWalls({ walls: new Set(WALLS), userNamespace: false }), "all walls stand");
  const sentence = describeWalls({ walls: new Set(["death", "privileges", "limits"]), userNamespace: false });
  for (const part of [/uid \(.*root/, /network \(.*user namespaces/, /files \(.*mount/]) {
    assert.match(sentence, part);
  }
  assert.doesNotMatch(sentence, /privileges \(/);
});
