import assert from "node:assert/strict";
import { test } from "node:test";
import { BellhopError } from "../../../core/errors.ts";
import { demandWalls } from "./demand-walls.ts";
import { WALLS } from "./plan.ts";

function createLog() {
  const lines: [level: string, message: string][] = [];
  const log = (level: string) => (_: object, message: string) => void lines.push([level, message]);
  return { lines, info: log("info"), warn: log("warn") };
}

const whole = { plan: { walls: new Set(WALLS), userNamespace: false }, refusal: undefined };
const poor = {
  plan: { walls: new Set(["death"] as const), userNamespace: false },
  refusal: "unshare: unshare failed: Operation not permitted",
};

test("one line says that all walls stand", () => {
  const log = createLog();
  assert.deepEqual(demandWalls("require", whole, log), { walls: [...WALLS], missing: [] });
  assert.deepEqual(log.lines, [["info", "sandbox: all walls stand"]]);
});

test("one warning names those that are missing, and they are reported", () => {
  const log = createLog();
  const { missing } = demandWalls("prefer", poor, log);
  assert.deepEqual(missing, ["privileges", "limits", "uid", "network", "processes", "files"]);
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0]!.join(), /^warn,sandbox: executors run without privileges .*files/);
});

test("where all are required a missing one is an error that says what is missing and what the host said", () => {
  assert.throws(
    () => demandWalls("require", poor, createLog()),
    (thrown) => {
      assert.ok(thrown instanceof BellhopError && thrown.code === "sandbox_walls_missing");
      assert.match(thrown.message, /WORKER_SANDBOX_WALLS is require.*network.*Operation not permitted/);
      return true;
    },
  );
});
