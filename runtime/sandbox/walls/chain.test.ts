import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChainFacts, wallChain } from "./chain.ts";
import { WALLS, type Wall, type WallPlan } from "./plan.ts";

const tools = Object.fromEntries(
  ["setpriv", "unshare", "prlimit", "mount", "sh", "env"].map((tool) => [tool, tool]),
);
const facts: ChainFacts = {
  tools,
  isRoot: true,
  uid: 70_000,
  jail: { root: "/jail/root", fstab: "/jail/fstab" },
  maxTasks: 300,
};
const plan = (walls: readonly Wall[], userNamespace = false): WallPlan => ({
  walls: new Set(walls),
  userNamespace,
});
const textOf = (chain: string[]) => chain.join(" ");
const IDENTITY = "--reuid=70000 --regid=70000 --clear-groups";
const NO_PRIVILEGES = "--inh-caps=-all --no-new-privs --bounding-set=-all";

test("the whole chain", () => {
  assert.equal(
    textOf(wallChain(plan(WALLS), facts)),
    [
      "setpriv --pdeathsig=KILL --",
      "unshare -n -i -p -u -m -f --kill-child=KILL --",
      `sh -c "$0" -a -T "$1" && shift && exec "$@" mount /jail/fstab env -i`,
      "prlimit --core=0 --fsize=0 --nofile=256 --nproc=300 --",
      "unshare -f --kill-child=KILL --root=/jail/root --wd=/ --",
      `/setpriv ${IDENTITY} ${NO_PRIVILEGES} --pdeathsig=KILL --`,
    ].join(" "),
  );
});

test("inside a user namespace the user is changed first, and root's privileges are given up last", () => {
  const text = textOf(wallChain(plan(WALLS, true), facts));
  assert.ok(text.startsWith(`setpriv ${IDENTITY} --pdeathsig=KILL -- unshare -U -r -n `), text);
  assert.ok(text.endsWith(`/setpriv ${NO_PRIVILEGES} --pdeathsig=KILL --`), text);
});

test("an ordinary user counts no tasks, for it shares them with its worker", () => {
  const walls = WALLS.filter((wall) => wall !== "uid");
  const text = textOf(wallChain(plan(walls, true), { ...facts, isRoot: false }));
  assert.doesNotMatch(text, /nproc|reuid/);
});

test("without namespaces one process becomes the executor", () => {
  const walls: Wall[] = ["death", "privileges", "limits", "uid"];
  assert.equal(
    textOf(wallChain(plan(walls), facts)),
    `prlimit --core=0 --fsize=0 --nofile=256 --nproc=300 -- setpriv ${IDENTITY} ${NO_PRIVILEGES} --pdeathsig=KILL --`,
  );
  assert.equal(
    textOf(wallChain(plan(["death", "privileges"]), { ...facts, isRoot: false, jail: undefined })),
    "setpriv --inh-caps=-all --no-new-privs --pdeathsig=KILL --",
  );
});

test("no walls, no words", () => {
  assert.deepEqual(wallChain(plan([]), facts), []);
});
