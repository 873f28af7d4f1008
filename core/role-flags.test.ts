import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ROLE_FLAGS } from "./role-flags.ts";

const readRoot = (file: string) => readFileSync(join(import.meta.dirname, "..", file), "utf8");
const FLAGS = ROLE_FLAGS.join(" ");

const PROGRAMS = {
  start: "standalone/main.ts",
  api: "api/main.ts",
  scheduler: "scheduler/main.ts",
  worker: "runtime/main.ts",
  autoscaler: "runtime/autoscaler/main.ts",
};

describe("every role is started with the same flags of node", () => {
  test("by npm", () => {
    const { scripts } = JSON.parse(readRoot("package.json")) as { scripts: Record<string, string> };
    for (const [name, program] of Object.entries(PROGRAMS))
      assert.equal(scripts[name], `exec node ${FLAGS} ${program}`);
  });

  test("by the command line's dev", () => {
    const [, given = ""] = /execArgv: \[(.*)\]/.exec(readRoot("cli/dev/local-instance.ts")) ?? [];
    assert.equal(given, ROLE_FLAGS.map((flag) => JSON.stringify(flag)).join(", "));
  });

  test("in the image", () => {
    const [, options] = /^ +NODE_OPTIONS=(\S+)/m.exec(readRoot("Dockerfile")) ?? [];
    assert.equal(options, FLAGS);
  });
});
