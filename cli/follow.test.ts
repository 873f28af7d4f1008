import assert from "node:assert/strict";
import { test } from "node:test";
import { follow } from "./follow.ts";
import type { Session } from "./session.ts";

test("a stream that breaks off before its first line is asked for again from where it began", async () => {
  const stop = new AbortController();
  const asked: string[] = [];
  const answers = [
    new Response("\n", { headers: { "last-event-id": "7:0" } }),
    new Response('{"id":"7:1"}\n', { headers: { "last-event-id": "7:0" } }),
    new Response("\n", { headers: { "last-event-id": "7:1" } }),
  ];
  const session = {
    signal: stop.signal,
    request: async (path: string) => {
      asked.push(path);
      return answers.shift()!;
    },
  } as unknown as Session;
  const seen: string[] = [];
  const following = {
    ...{
      path: "/logs",
      query: new URLSearchParams(),
      onItem: ({ id }: { id: string }) => void seen.push(id),
    },
    onBreak: () => {
      if (answers.length === 0) stop.abort();
    },
  };
  await assert.rejects(follow(session, following), { name: "Interrupted" });
  assert.deepEqual(asked, [
    ...["/logs?follow=true", "/logs?follow=true&after=7%3A0", "/logs?follow=true&after=7%3A1"],
  ]);
  assert.deepEqual(seen, ["7:1"]);
});

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
