import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { COLLECT_ONCE } from "./collect-once.ts";

test("V8 knows how often a process at rest is collected: of a flag that it lacks it would only complain", () => {
  const flags = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  assert.ok(flags.includes(`  ${COLLECT_ONCE.split("=")[0]} `), COLLECT_ONCE);
});
