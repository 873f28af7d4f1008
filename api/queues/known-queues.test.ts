import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../../core/store/listen.ts";
import { createKnownQueues } from "./known-queues.ts";

function open() {
  const there = new Set(["n/mail"]);
  const looks: string[] = [];
  let ring: (bell: Bell) => void = () => {};
  const queues = createKnownQueues(
    {
      async isThere(namespaceId, name) {
        looks.push(`${namespaceId}/${name}`);
        return there.has(`${namespaceId}/${name}`);
      },
    },
    {
      on: async (channel, handler) => {
        assert.equal(channel, "bellhop_queues");
        ring = handler;
      },
    },
  );
  return { queues, there, looks, ring: () => ring({ ids: [], resync: false }) };
}

test("a queue that is not there is looked for each time; default never is", async () => {
  const { queues, there, looks } = open();
  assert.equal(await queues.isThere("n", "news"), false);
  there.add("n/news");
  assert.equal(await queues.isThere("n", "news"), true);
  assert.equal(await queues.isThere("other", "mail"), false);
  assert.equal(await queues.isThere("n", "default"), true);
  assert.deepEqual(looks, ["n/news", "n/news", "other/mail"]);
});

test("one that is deleted is unknown at once: here, and elsewhere by its bell", async () => {
  const { queues, there, ring } = open();
  for (const tell of [ring, () => queues.forget("n", "mail")]) {
    there.add("n/mail");
    assert.equal(await queues.isThere("n", "mail"), true);
    there.delete("n/mail");
    tell();
    assert.equal(await queues.isThere("n", "mail"), false);
  }
});
