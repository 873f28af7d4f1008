/** Roles that start before their broker, and a fresh broker that many take at once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openTestTransport } from "../../core/queue/testing/kafka-transport.ts";
import { type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { freePorts } from "../support/free-ports.ts";
import { testKafka } from "../support/kafka.ts";
import {
  assertHeard,
  PARTITIONS,
  runThrough,
  type System,
  startSystem,
  whenQueues,
  withAdmin,
} from "./kafka-system.ts";

const kafka = await testKafka();
const skip = "skip" in kafka ? kafka.skip : false;

describe("roles that start before their broker", { skip }, () => {
  let system: System;
  let broker: KafkaBroker | undefined;
  let dir: string;
  let port: number;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "bellhop-broker-"));
    [port] = (await freePorts(1)) as [number];
    system = await startSystem(`127.0.0.1:${port}`, { hasNoBroker: true });
  });
  after(async () => {
    await system?.stop();
    await broker?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  it("API, scheduler and worker start without a broker, run what is due, and tell that the queue is away", async (t) => {
    await whenQueues(system.roles, (queue) => queue === "not connected yet");
    await runThrough(system, t, "lateness before there is a broker");
  });

  it("a fresh broker is taken by them and by six more at once, while it is kept busy", async (t) => {
    const started = await startKafkaBroker({ dir, port });
    broker = started;
    const options = { brokers: [started.brokers], topicPrefix: system.prefix, partitions: PARTITIONS };
    const others = Array.from({ length: 12 }, (_, index) => ({
      topic: `${system.prefix}-other-${index}`,
      numPartitions: 12,
    }));
    const [, ...transports] = await Promise.all([
      withAdmin(started.brokers, (admin) => admin.createTopics({ topics: others, waitForLeaders: false })),
      ...Array.from({ length: 6 }, () => openTestTransport(options)),
    ]);
    t.after(() => Promise.all(transports.map((transport) => transport.close())));
    for (const transport of transports) await transport.checkReady();
    await assertHeard(system);
  });
});
