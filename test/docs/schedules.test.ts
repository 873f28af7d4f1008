/** Every example of docs/schedules.md, as it stands there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scheduleField } from "../../core/contracts/task-schedule.ts";
import { nextOccurrence } from "../../core/domain/schedule/occurrences.ts";

const MADE = new Date("2025-01-01T00:00:00Z");
const TEXT = readFileSync(join(import.meta.dirname, "../../docs/schedules.md"), "utf8");
const field = scheduleField(() => MADE);

interface Example {
  schedule: unknown;
  after: string;
  expected: string[];
}

function readExamples(): Example[] {
  const rows = TEXT.matchAll(/^\| `(.+)` \| (\d{4}-\S+) \| (.+) \|$/gm);
  return [...rows].map(([, given, after, instants]) => ({
    schedule: toSchedule(given!),
    after: after!,
    expected: instants!.split(", "),
  }));
}

/** The zone of a table stands in its head. */
function toSchedule(text: string): unknown {
  if (!text.startsWith("{")) return { cron: text };
  const schedule = JSON.parse(text) as Record<string, unknown>;
  const isOfRome = TEXT.indexOf(text) > TEXT.indexOf('| schedule (`"timezone": "Europe/Rome"`)');
  const isBeforeExclusions = TEXT.indexOf(text) < TEXT.indexOf("## Exclusions");
  return isOfRome && isBeforeExclusions ? { ...schedule, timezone: "Europe/Rome" } : schedule;
}

const show = (at: Date | null) =>
  at === null ? "never" : at.toISOString().replace(".000Z", "Z").replace(/:00Z$/, "Z");

const EXAMPLES = readExamples();

test("there are as many examples as rows", () => assert.ok(EXAMPLES.length >= 34, `${EXAMPLES.length}`));

for (const { schedule, after, expected } of EXAMPLES) {
  test(`${JSON.stringify(schedule)} after ${after}`, () => {
    const read = field.parse(schedule);
    let at: Date | null = new Date(after);
    for (const instant of expected) {
      at = nextOccurrence(read, MADE, at!);
      assert.equal(show(at), instant);
    }
  });
}
