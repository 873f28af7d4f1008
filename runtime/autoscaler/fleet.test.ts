import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type Crash, createFleet } from "./fleet.ts";
import type { WorkerExit, WorkerProcess } from "./worker-process.ts";

const CLEAN = { isClean: true, detail: "exit code 0" };
const CRASH = { isClean: false, detail: "exit code 1" };

/** A fleet of processes that do what the test says. */
function openFleet() {
  const clock = createManualClock();
  const processes: { begin(id: string): void; end(exit: WorkerExit): void; said: string[] }[] = [];
  const crashes: Crash[] = [];
  const startMs: number[] = [];
  const launch = (): WorkerProcess => {
    const said: string[] = [];
    const started = Promise.withResolvers<{ port: number; id: string }>();
    const exited = Promise.withResolvers<WorkerExit>();
    const port = 4_000 + processes.length;
    processes.push({ said, begin: (id) => started.resolve({ port, id }), end: exited.resolve });
    return {
      pid: port,
      ...{ started: started.promise, exited: exited.promise },
      retire: () => void said.push("retire"),
      signal: (signal) => void said.push(signal),
    };
  };
  const fleet = createFleet({
    ...{ launch, drainMs: 5_000, leaseMs: 15_000, clock },
    on: { started: (_, ms) => startMs.push(ms), crashed: (crash) => crashes.push(crash), changed() {} },
  });
  const settle = () => clock.advance(0);
  return { fleet, clock, processes, crashes, startMs, settle };
}

test("a worker counts as starting, then as up, then as retiring, then not at all", async () => {
  const { fleet, clock, processes, startMs, settle } = openFleet();
  fleet.start(1);
  assert.deepEqual(fleet.counts(), { starting: 1, up: 0, retiring: 0 });
  await clock.advance(300);
  processes[0]!.begin("a");
  await settle();
  assert.deepEqual(fleet.counts(), { starting: 0, up: 1, retiring: 0 });
  assert.deepEqual([fleet.ids(), fleet.ports(), startMs], [["a"], [4_000], [300]]);
  fleet.retire(1, () => 0);
  assert.deepEqual(fleet.counts(), { starting: 0, up: 0, retiring: 1 });
  assert.deepEqual([fleet.ids(), fleet.ports(), fleet.isLeaving("a")], [[], [4_000], true]);
  assert.deepEqual(processes[0]!.said, ["retire"]);
  processes[0]!.end(CLEAN);
  await settle();
  assert.deepEqual(fleet.counts(), { starting: 0, up: 0, retiring: 0 });
  assert.deepEqual([fleet.ports(), fleet.isLeaving("a"), fleet.msUntilStart()], [[], true, 0]);
});

test("those that still start retire first, then the least busy, then the youngest", async () => {
  const { fleet, clock, processes, settle } = openFleet();
  for (const id of ["old", "busy", "young"]) {
    fleet.start(1);
    processes.at(-1)!.begin(id);
    await clock.advance(1_000);
  }
  fleet.start(1);
  const busy = (id: string) => (id === "busy" ? 3 : 0);
  const retired = () => processes.map(({ said }) => said.length);
  fleet.retire(1, busy);
  assert.deepEqual(retired(), [0, 0, 0, 1]);
  fleet.retire(1, busy);
  assert.deepEqual(retired(), [0, 0, 1, 1]);
  fleet.retire(1, busy);
  assert.deepEqual(retired(), [1, 0, 1, 1]);
  await settle();
});

test("crashes that follow each other make the next start wait, each time longer", async () => {
  const { fleet, clock, processes, crashes, settle } = openFleet();
  for (const waitMs of [100, 1_000, 5_000, 15_000, 15_000]) {
    fleet.start(1);
    processes.at(-1)!.end(CRASH);
    await settle();
    assert.deepEqual([crashes.at(-1)!.waitMs, fleet.msUntilStart()], [waitMs, waitMs]);
    fleet.start(1);
    assert.equal(fleet.counts().starting, 0, "too soon");
    await clock.advance(waitMs);
  }
  fleet.start(1);
  processes.at(-1)!.begin("sound");
  await clock.advance(60_001);
  processes.at(-1)!.end({ isClean: false, detail: "signal SIGKILL" });
  await settle();
  assert.deepEqual(crashes.at(-1), { detail: "signal SIGKILL", waitMs: 100 });
});

test("who ends cleanly after it ran was asked to by somebody; who ends before it ran has crashed", async () => {
  const { fleet, processes, crashes, settle } = openFleet();
  fleet.start(2);
  processes[0]!.begin("a");
  await settle();
  processes[0]!.end(CLEAN);
  await settle();
  assert.equal(crashes.length, 0);
  processes[1]!.end(CLEAN);
  await settle();
  assert.equal(crashes.length, 1);
});

test("one that does not say within half a minute that it runs is killed", async () => {
  const { fleet, clock, processes } = openFleet();
  fleet.start(2);
  processes[0]!.begin("a");
  await clock.advance(30_000);
  assert.deepEqual([processes[0]!.said, processes[1]!.said], [[], ["SIGKILL"]]);
});

test("a stop drains all, retiring ones too, and kills who does not end in time", async () => {
  const { fleet, clock, processes, crashes } = openFleet();
  fleet.start(2);
  for (const [index, process] of processes.entries()) process.begin(String(index));
  await clock.advance(0);
  fleet.retire(1, () => 0);
  const stopped = fleet.stop();
  assert.ok(processes.every(({ said }) => said.at(-1) === "SIGTERM"));
  fleet.start(1);
  assert.equal(processes.length, 2, "nothing is started any more");
  processes[0]!.end(CLEAN);
  await clock.advance(15_000);
  assert.equal(processes[1]!.said.at(-1), "SIGKILL");
  processes[1]!.end({ isClean: false, detail: "signal SIGKILL" });
  await stopped;
  assert.equal(crashes.length, 0);
});
