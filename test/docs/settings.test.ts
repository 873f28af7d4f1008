/** The tables of settings say who reads what; the roles' own lists say it too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { API_SETTINGS } from "../../api/main.ts";
import { SETTING_NAMES, type SettingName } from "../../core/config/settings.ts";
import { AUTOSCALER_SETTINGS } from "../../runtime/autoscaler/main.ts";
import { WORKER_SETTINGS } from "../../runtime/worker-settings.ts";
import { SCHEDULER_SETTINGS } from "../../scheduler/main.ts";
import { STANDALONE_SETTINGS } from "../../standalone/standalone-settings.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const READERS: Record<string, readonly SettingName[]> = {
  A: API_SETTINGS,
  S: SCHEDULER_SETTINGS,
  W: WORKER_SETTINGS,
  Z: AUTOSCALER_SETTINGS,
  "1": STANDALONE_SETTINGS,
};

function readTable(): Map<string, string[]> {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const table = /\n\| setting \| default \| read by \| meaning \|\n([\s\S]*?)\n\n/.exec(readme)?.[1];
  assert.ok(table, "the README has a table of settings");
  const rows = table.matchAll(/^\| `(\w+)` \|[^|]*\| ([ASWZ1 ]+) \|/gm);
  return new Map([...rows].map(([, name, readers]) => [name!, readers!.split(" ")]));
}

test("the README's table has every setting, read by whom it says", () => {
  const table = readTable();
  assert.deepEqual([...table.keys()].sort(), [...SETTING_NAMES].sort());
  for (const [name, told] of table) {
    const isHandedOn = (WORKER_SETTINGS as readonly string[]).includes(name);
    for (const [letter, names] of Object.entries(READERS)) {
      const reads = (names as readonly string[]).includes(name);
      // What an autoscaler reads only to hand it on need not be told.
      if (letter === "Z" && isHandedOn && reads) continue;
      assert.equal(told.includes(letter), reads, `${name}, ${letter}`);
    }
  }
});

test("docs/operations.md names every setting in its table of roles", () => {
  const guide = readFileSync(join(ROOT, "docs", "operations.md"), "utf8");
  const table = /\n## Settings per role\n\n([\s\S]*?)\n\n/.exec(guide)?.[1];
  assert.ok(table, "docs/operations.md has a table of settings");
  const rows = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+)/gm)].map(([, names]) => names!);
  const named = rows.flatMap((names) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
  assert.deepEqual(named.sort(), [...SETTING_NAMES].sort());
});
