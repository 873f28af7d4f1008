import assert from "node:assert/strict";
import { test } from "node:test";
import { Command, Option } from "commander";
import { findCandidates } from "./find-candidates.ts";

const program = new Command("bellhop")
  .configureHelp({ showGlobalOptions: true })
  .option("--json", "JSON")
  .option("--profile <name>", "a profile");
const tasks = program.command("tasks").description("tasks");
tasks.command("get <task>").description("a task");
tasks
  .command("list")
  .option("--queue <queue>", "its queue")
  .addOption(new Option("--state <state>").choices(["active", "paused"]));
program.command("top").description("live");
program.command("hidden", { hidden: true });

const values = (...words: string[]) => findCandidates(program, words).candidates.map(({ value }) => value);
const names = (...words: string[]) => findCandidates(program, words).names;

test("commands stand where commands stand, and hidden ones nowhere", () => {
  assert.deepEqual(values(""), ["tasks", "top", "help"]);
  assert.deepEqual(values("ta"), ["tasks"]);
  assert.deepEqual(values("tasks", ""), ["get", "list", "help"]);
  assert.deepEqual(values("--profile", "x", "tasks", "g"), ["get"]);
});

test("options of the command and those that stand everywhere", () => {
  assert.deepEqual(values("tasks", "list", "--"), ["--queue", "--state", "--help", "--json", "--profile"]);
  assert.deepEqual(values("tasks", "list", "--q"), ["--queue"]);
});

test("values of options: choices, or names of things", () => {
  assert.deepEqual(values("tasks", "list", "--state", "p"), ["paused"]);
  assert.deepEqual(values("tasks", "list", "--state=p"), ["--state=paused"]);
  assert.equal(names("tasks", "list", "--queue", ""), "queue");
  assert.equal(names("--profile", ""), "profile");
});

test("arguments are names of things, as many as there are arguments", () => {
  assert.equal(names("tasks", "get", ""), "task");
  assert.equal(names("tasks", "get", "--json", ""), "task");
  assert.equal(names("tasks", "get", "nightly", ""), undefined);
  assert.deepEqual(values("tasks", "get", ""), []);
});
