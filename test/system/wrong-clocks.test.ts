/** Roles on machines whose clocks are wrong, and leap: what is due goes by the database's. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { giveOrders, INSIDE_ROLE } from "../torture/system/inside-role.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, listAllRuns } from "./runs.ts";

const HALF_AN_HOUR_MS = 1_800_000;

describe("roles whose clock is half an hour ahead, and then half an hour behind", () => {
  let folder: string;
  let cluster: Cluster;
  let sink: HttpSink;
  const setClocks = (clockAheadMs: number) =>
    giveOrders(join(folder, "orders"), { clockAheadMs, exhaustsMemory: false });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "bellhop-test-clocks-"));
    setClocks(HALF_AN_HOUR_MS);
    sink = await createHttpSink();
    const env = { NODE_OPTIONS: `--import=${INSIDE_ROLE}`, TORTURE_ORDERS: join(folder, "orders") };
    cluster = await startCluster({ schedulers: 1, workers: 1, env });
  });
  after(async () => {
    await cluster?.stop();
    await sink?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("fire each instant at its time, and miss none", async () => {
    const schedule = { every: "1s", maxRuns: 8 };
    // A scheduler that comes too late makes up for what it missed.
    const task = { type: "http", url: sink.url, overlap: "allow", catchUp: { policy: "all" }, schedule };
    const beganMs = Date.now();
    const { id } = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", task);
    const readRuns = () => listAllRuns(cluster.api, `/v1/tasks/${id}/runs`);
    await eventually("four runs", readRuns, (runs) => runs.length >= 4);
    setClocks(-HALF_AN_HOUR_MS);
    const runs = await eventually(
      "eight runs that succeeded",
      readRuns,
      (all) => all.length === 8 && all.every(({ state }) => state === "succeeded"),
    );
    const instants = runs.map(({ scheduledFor }) => Date.parse(scheduledFor)).sort();
    assert.deepEqual(
      instants.slice(1).map((ms, index) => ms - instants[index]!),
      Array(7).fill(1_000),
    );
    assert.ok(instants[0]! > beganMs && instants[0]! < Date.now(), new Date(instants[0]!).toISOString());
  });
});
