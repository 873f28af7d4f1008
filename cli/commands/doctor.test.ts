import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNode } from "./doctor.ts";

test("Node has to be one whose AbortSignal has `any`", () => {
  assert.match(checkNode("20.2.0").message, /^v20\.2\.0; Node 20\.3 or later is needed$/);
  const states = ["18.20.4", "20.2.9", "20.3.0", "20.19.1", "21.0.0", "24.21.0"].map(
    (version) => checkNode(version).state,
  );
  assert.deepEqual(states, ["failed", "failed", "ok", "ok", "ok", "ok"]);
});
