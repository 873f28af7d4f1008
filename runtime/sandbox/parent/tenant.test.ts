/** How long a run waits for its namespace's first executor although another has room. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecutorProcess } from "./executor-process.ts";
import type { Job } from "./job.ts";
import { CROWDED_MS, createTenant, crowdedAt, relievedAt, type Tenant, waitsForItsFirst } from "./tenant.ts";

const NOW = 10_000;
const JOB = { invocation: { revisionId: "r" } } as Job;

type Facts = Partial<Pick<ExecutorProcess, "assignedAt" | "readyAt" | "lastEndAt" | "hasRoom">>;

function tenantWith(waitedMs: number, ...executors: Facts[]): Tenant {
  const tenant = createTenant("ns");
  tenant.waiting.add(JOB, NOW - waitedMs);
  const first = { assignedAt: 0, readyAt: 0, lastEndAt: NOW - 1, hasRoom: false };
  tenant.executors.push(...executors.map((facts) => ({ ...first, ...facts }) as ExecutorProcess));
  return tenant;
}

test("as long as runs of the first end, and a tenth of a second at most", () => {
  for (const [waitedMs, lastEndMs, waits] of [
    [0, 1, true],
    [CROWDED_MS - 1, 1, true],
    [CROWDED_MS, 1, false],
    [0, CROWDED_MS - 1, true],
    [0, CROWDED_MS, false],
  ] as const)
    assert.equal(
      waitsForItsFirst(tenantWith(waitedMs, { lastEndAt: NOW - lastEndMs }, { hasRoom: true }), NOW),
      waits,
      `${waitedMs} ms, the last end ${lastEndMs} ms ago`,
    );
  const behind = { hasRoom: true, lastEndAt: 0 };
  assert.equal(waitsForItsFirst(tenantWith(0, behind, { hasRoom: true }), NOW), true);
  assert.equal(waitsForItsFirst(tenantWith(CROWDED_MS, behind, { hasRoom: true }), NOW), false);
});

test("whatever becomes of another that starts meanwhile", () => {
  const starting = { assignedAt: NOW - 1, readyAt: undefined };
  const tenant = tenantWith(CROWDED_MS, {}, { hasRoom: true }, starting);
  assert.equal(waitsForItsFirst(tenant, NOW), false);
  assert.ok(crowdedAt(tenant, NOW) > NOW, "no fourth is wanted yet");
  const waiting = tenantWith(CROWDED_MS - 5, {}, { hasRoom: true }, starting);
  assert.equal(relievedAt(waiting, NOW), NOW + 5);
});
