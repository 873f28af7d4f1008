/**
 * First pages of filtered lists of runs, on the database alone, over ninety days of runs that SQL makes in day partitions
 * as in production: most succeeded, some that failed, few of what is rare.
 *
 *     node bench/filters.ts [--runs 10000000] [--rounds 9]
 */
import { parseArgs } from "node:util";
import type { RunFilter } from "../core/contracts/run-filter.ts";
import { openStore } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { estimateRuns, listRuns } from "../core/store/runs/read.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { DAY_MS, DAYS, makeRunOwners, makeRuns, type RunOwners } from "./fill-database.ts";
import { spreadOf } from "./stats.ts";

const PAGE = 50;

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "10000000" }, rounds: { type: "string", default: "9" } },
});
const perDay = Math.ceil(Number(options.runs) / DAYS);
const rounds = Number(options.rounds);

function listFilters({ taskIds, workerIds, rareTaskId }: RunOwners): [string, RunFilter][] {
  const monthAgo = new Date(Date.now() - 30 * DAY_MS);
  return [
    ["none", {}],
    ["state=succeeded", { state: ["succeeded"] }],
    ["state=failed", { state: ["failed"] }],
    ["state=cancelled, one of 10,000", { state: ["cancelled"] }],
    ["state=dead, none", { state: ["dead"] }],
    ["state=failed,cancelled,expired", { state: ["failed", "cancelled", "expired"] }],
    ["taskId", { taskId: taskIds[2]! }],
    ["taskId, rare", { taskId: rareTaskId }],
    ["function", { function: "f7" }],
    ["function, of which there is none", { function: "nobody" }],
    ["trigger=schedule", { trigger: "schedule" }],
    ["trigger=manual, one of 1,000", { trigger: "manual" }],
    ["trigger=hook", { trigger: "hook" }],
    ["errorCode=http_status", { errorCode: "http_status" }],
    ["errorCode=timeout, one of 10,000", { errorCode: "timeout" }],
    ["errorCode, of which there is none", { errorCode: "nothing" }],
    ["worker", { worker: workerIds[3]! }],
    ["worker, of which there is none", { worker: newId() }],
    ["to a month ago", { to: monthAgo }],
    ["from a month ago", { from: monthAgo }],
  ] as [string, RunFilter][];
}

async function clock(work: () => Promise<unknown>): Promise<string> {
  const ms: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const began = performance.now();
    await work();
    if (round > 0) ms.push(performance.now() - began);
  }
  const { p50, min, max } = spreadOf(ms);
  return `${p50.toFixed(1).padStart(6)} (${min.toFixed(1)}–${max.toFixed(1)})`;
}

const server = await startTestPostgres();
const store = openStore({
  ...{ databaseUrl: server.address, applicationName: "bench", maxConnections: 2 },
  onError: console.error,
});
try {
  await migrateUp(store);
  const namespaceId = await ensureNamespace(store.db, "bench");
  const owners = await makeRunOwners(store, namespaceId);
  await makeRuns(store, server.address, [namespaceId], owners, perDay);
  console.log(
    `first page of ${PAGE} of ${perDay * DAYS} finished runs in ${DAYS} days, ms, median and spread of ${rounds}`,
  );
  console.log(`  ${"".padEnd(40)} newest first            oldest first            count=estimate`);
  for (const [title, filter] of listFilters(owners)) {
    const list = (order: "asc" | "desc") =>
      clock(() => listRuns(store, namespaceId, filter, { limit: PAGE, order }));
    const told = [
      await list("desc"),
      await list("asc"),
      await clock(() => estimateRuns(store, namespaceId, filter)),
    ];
    console.log(`  ${title.padEnd(40)} ${told.map((each) => each.padEnd(23)).join(" ")}`);
  }
} finally {
  await store.close();
  await server.stop();
}
