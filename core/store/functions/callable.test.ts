import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { revision } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findCallableFunction, findCallableFunctions } from "./callable.ts";
import { deployRevision } from "./deploy.ts";

const { db, store, newNamespace } = await openTestStore(createTestDatabase);

test("several functions are found together as each is by itself", async () => {
  const namespaces = [];
  for (let n = 0; n < 2; n++) {
    const id = await newNamespace();
    const { name } = await db
      .selectFrom("namespaces")
      .select("name")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    await deployRevision(db, id, "same", revision(`same of ${n}`));
    await deployRevision(db, id, "open", revision(`open of ${n}`), { isPublic: true });
    namespaces.push(name);
  }
  const [first, second] = namespaces as [string, string];
  const asked = [
    { namespace: first, name: "same" },
    { namespace: second, name: "same" },
    { namespace: first, name: "open" },
    { namespace: second, name: "gone" },
  ];
  for (const [isStranger, count] of [
    [false, 3],
    [true, 1],
  ] as const) {
    const all = await findCallableFunctions(store, asked, isStranger);
    assert.equal(all.length, count);
    for (const { namespace, found } of all)
      assert.deepEqual(found, await findCallableFunction(store, namespace, found.name, isStranger));
  }
});
