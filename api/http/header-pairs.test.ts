import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { headerPairsOf } from "./header-pairs.ts";

test("a request's headers are the same, whether Node or Headers tells them", () => {
  const given: [string, string][] = [
    ["X-B", "2"],
    ["Cookie", "a=1"],
    ["X-A", "1"],
    ["x-b", "3"],
    ["cookie", "b=2"],
    ["X-Latin", "caf\u00e9"],
    ["X-Empty", ""],
  ];
  const request = new Request("http://host/", { headers: given });
  const incoming = { rawHeaders: given.flat() } as IncomingMessage;
  const sorted = (pairs: Iterable<[string, string]>) => [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(sorted(headerPairsOf(request, incoming)), sorted(headerPairsOf(request, undefined)));
  assert.deepEqual(Object.fromEntries(headerPairsOf(request, incoming)), {
    ...{ "x-a": "1", "x-b": "2, 3", cookie: "a=1; b=2", "x-latin": "caf\u00e9", "x-empty": "" },
  });
});
