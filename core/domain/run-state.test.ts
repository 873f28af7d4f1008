import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { canTransition, isTerminal, OPEN_STATES, RUN_STATES, RUN_TRANSITIONS } from "./run-state.ts";

const ARCHITECTURE = new URL("../../docs/architecture.md", import.meta.url);

/** `from --> to` lines of the mermaid state diagram, as `from → to`; the entry and exit points aside. */
async function readDrawnTransitions(): Promise<string[]> {
  const document = await readFile(ARCHITECTURE, "utf8");
  const [, diagram] = /```mermaid\s+stateDiagram(?:-v2)?\n([\s\S]*?)```/.exec(document) ?? [];
  assert.ok(diagram, "docs/architecture.md holds a mermaid stateDiagram");
  const lines = [...diagram.matchAll(/^\s*(\[\*\]|\w+)\s*-->\s*(\[\*\]|\w+)/gm)];
  return lines.filter(([line]) => !line.includes("[*]")).map(([, from, to]) => `${from} → ${to}`);
}

test("the diagram in the docs and the table in the code are the same", async () => {
  const known = Object.entries(RUN_TRANSITIONS).flatMap(([from, next]) =>
    Object.keys(next).map((to) => `${from} → ${to}`),
  );
  assert.deepEqual((await readDrawnTransitions()).sort(), known.sort());
});

test("every state is reachable, and every way ends in a final state", () => {
  const entries = ["scheduled", "queued"] as const;
  const reached = new Set<string>(entries);
  for (const state of reached) {
    for (const next of Object.keys(RUN_TRANSITIONS[state as keyof typeof RUN_TRANSITIONS])) reached.add(next);
  }
  assert.deepEqual([...reached].sort(), [...RUN_STATES].sort());
});

test("a state is open or final, never both", () => {
  for (const state of RUN_STATES) {
    assert.equal(isTerminal(state), !(OPEN_STATES as readonly string[]).includes(state), state);
  }
});

test("only what the table names may follow", () => {
  assert.ok(canTransition("queued", "running"));
  assert.ok(canTransition("dead", "queued"));
  assert.ok(!canTransition("scheduled", "running"), "a retry is queued before it is claimed");
  assert.ok(!canTransition("succeeded", "queued"));
  assert.ok(!canTransition("queued", "succeeded"));
  assert.ok(!RUN_STATES.some((state) => canTransition(state, state)));
});
