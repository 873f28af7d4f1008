import assert from "node:assert/strict";
import { test } from "node:test";
import { follow } from "./follow.ts";
import type { Session } from "./session.ts";

test("an item that cannot be shown ends the following, where a broken connection would be asked for again", async () => {
  let asked = 0;
  const session = {
    signal: new AbortController().signal,
    request: async () => {
      asked++;
      return new Response('{"id":"1"}\n');
    },
  } as unknown as Session;
  const onItem = () => {
    throw new TypeError("cannot be shown");
  };
  await assert.rejects(
    follow(session, { path: "/", query: new URLSearchParams(), onItem }),
    /cannot be shown/,
  );
  assert.equal(asked, 1);
});
