import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "./program.ts";
import type { Cli } from "./session.ts";

const { signal } = new AbortController();
const cli: Cli = {
  ...{ env: {}, cwd: "/", version: "0", now: () => 0, signal },
  asking: { stdin: process.stdin, stderr: process.stderr, signal },
};

function leavesOf(command: Command): Command[] {
  const shown = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help");
  return shown.flatMap((each) => (each.commands.length > 0 ? leavesOf(each) : [each]));
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

test("every command has a help with an example of itself, and a description of each option", () => {
  const leaves = leavesOf(createProgram(cli));
  assert.ok(leaves.length > 45, String(leaves.length));
  for (const leaf of leaves) {
    const path = pathOf(leaf);
    assert.match(helpOf(leaf), new RegExp(`Examples:\n {2}\\$ bellhop ${path}`), path);
    for (const option of leaf.options) assert.ok(option.description, `${path} ${option.flags}`);
  }
});

const pathOf = (command: Command): string =>
  command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
