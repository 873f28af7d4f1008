/** A broker that freezes, and one that is killed and emptied, while roles run: bells are heard again, without a restart. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { testKafka } from "../support/kafka.ts";
import {
  assertHeard,
  countWarnings,
  HEAL_MS,
  isOk,
  MAX_WARNINGS,
  markLogs,
  readHearing,
  readLost,
  runThrough,
  type System,
  startSystem,
  whenQueues,
} from "./kafka-system.ts";

const kafka = await testKafka();
const skip = "skip" in kafka ? kafka.skip : false;

describe("roles whose broker fails", { skip }, () => {
  let system: System;
  let broker: KafkaBroker;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "bellhop-broker-"));
    broker = await startKafkaBroker({ dir });
    system = await startSystem(broker.brokers);
  });
  after(async () => {
    await system?.stop();
    await broker?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  it("a broker that stands still for longer than the session: runs go on in time, and then bells are heard", async (t) => {
    await assertHeard(system);
    const { roles, worker } = system;
    const since = markLogs(roles);
    const lost = await readLost(worker);
    broker.freeze();
    await whenQueues(roles, (queue) => !isOk(queue));
    await until(async () => ((await readHearing(worker)) === 0 ? true : undefined), HEAL_MS);
    await runThrough(system, t, "lateness while the broker stands still");
    await until(async () => ((await readLost(worker)) > lost ? true : undefined), HEAL_MS);
    broker.thaw();
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= MAX_WARNINGS, `${warnings} lines`);
  });

  it("a broker that is killed and comes back empty: topics are made again, bells are heard, and little is said", async (t) => {
    await assertHeard(system);
    const { roles, worker } = system;
    const since = markLogs(roles);
    await broker.kill();
    await whenQueues(roles, (queue) => !isOk(queue));
    await until(async () => ((await readHearing(worker)) === 0 ? true : undefined), HEAL_MS);
    await runThrough(system, t, "lateness while there is no broker");
    await broker.restart({ empty: true });
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= MAX_WARNINGS, `${warnings} lines`);
  });
});
