import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { testKafka } from "../../test/support/kafka.ts";
import { createRecording } from "../../test/support/recording.ts";
import { systemClock } from "../clock.ts";
import type { Lane } from "../domain/lane.ts";
import { newId } from "../store/ids.ts";
import { until } from "../store/testing/test-store.ts";
import { connectKafka } from "./kafka.ts";
import { nameQueues } from "./names.ts";
import { openTestTransport } from "./testing/kafka-transport.ts";
import { describeTransport } from "./transport.suite.ts";
import type { BellHandler, DeadLetter, QueueTransport } from "./transport.ts";

const kafka = await testKafka();
const brokers = "brokers" in kafka ? [kafka.brokers] : [];
const PARTITIONS = 3;
const file = `test-${randomBytes(6).toString("hex")}`;
const silent = { clientId: "test", clock: systemClock, onError() {}, onGroupChange() {} };
let queues = 0;
const newPrefix = () => {
  queues += 1;
  return `${file}-${queues}`;
};

describe("on a broker", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  const connect = (topicPrefix: string): Promise<QueueTransport> =>
    openTestTransport({ brokers, topicPrefix, partitions: PARTITIONS });

  describeTransport("kafka", async () => {
    const prefix = newPrefix();
    const opened: QueueTransport[] = [];
    return {
      async connect() {
        const transport = await connect(prefix);
        opened.push(transport);
        return transport;
      },
      async close() {
        await Promise.all(opened.map((transport) => transport.close()));
      },
    };
  });

  async function open(t: TestContext, topicPrefix: string): Promise<QueueTransport> {
    const transport = await connect(topicPrefix);
    t.after(() => transport.close());
    return transport;
  }

  const client = () => new Kafka({ clientId: "outside", brokers, logLevel: logLevel.NOTHING });
  async function openAdmin(t: TestContext): Promise<Admin> {
    const admin = client().admin();
    await admin.connect();
    t.after(() => admin.disconnect());
    return admin;
  }

  /** Messages of the lane's topic that the group of its workers has not committed. */
  async function lagOf(admin: Admin, prefix: string, lane: Lane = "runs"): Promise<number> {
    const { topics, groups } = nameQueues(prefix);
    const [committed] = await admin.fetchOffsets({ groupId: groups[lane], topics: [topics[lane]] });
    const ends = new Map(
      (await admin.fetchTopicOffsets(topics[lane])).map(({ partition, high }) => [partition, high]),
    );
    return committed!.partitions.reduce((lag, { partition, offset }) => {
      assert.notEqual(offset, "-1", `partition ${partition} has no committed offset`);
      return lag + Number(ends.get(partition)) - Number(offset);
    }, 0);
  }

  function recordingHandler(): BellHandler & { heard: ReturnType<typeof createRecording<string>> } {
    const heard = createRecording<string>("bell");
    return {
      heard,
      async onBells(all) {
        for (const { runId } of all) heard.add(runId);
      },
      onHint() {},
    };
  }

  it("topics are made once, with their partitions, also by two roles that start together", async (t) => {
    const prefix = newPrefix();
    await Promise.all([open(t, prefix), open(t, prefix), open(t, prefix)]);
    const admin = await openAdmin(t);
    const names = [`${prefix}.runs`, `${prefix}.long-runs`, `${prefix}.dead-letters`];
    const { topics } = await admin.fetchTopicMetadata({ topics: names });
    assert.deepEqual(
      topics.map(({ name, partitions }) => [name, partitions.length]).sort(),
      names.map((name) => [name, PARTITIONS]).sort(),
    );
  });

  it("the lag is known, and zero, before the first worker; then it counts what waits", async (t) => {
    const prefix = newPrefix();
    const transport = await open(t, prefix);
    const admin = await openAdmin(t);
    assert.equal(await lagOf(admin, prefix), 0);
    await transport.ring(Array.from({ length: 7 }, () => ({ runId: newId(), availableAt: new Date() })));
    assert.equal(await lagOf(admin, prefix), 7);
    await open(t, prefix);
    assert.equal(await lagOf(admin, prefix), 7, "another role that starts moves no offset");
  });

  it("each lane has its own lag, zero before its first worker, and its own consumers", async (t) => {
    const prefix = newPrefix();
    const transport = await open(t, prefix);
    const admin = await openAdmin(t);
    const lags = async () => [await lagOf(admin, prefix), await lagOf(admin, prefix, "long-runs")];
    assert.deepEqual(await lags(), [0, 0]);
    const handlers = { runs: recordingHandler(), "long-runs": recordingHandler() };
    const rung = { runs: newId(), "long-runs": newId() };
    for (const lane of ["runs", "long-runs"] as const)
      await transport.ring([{ runId: rung[lane], availableAt: new Date() }], lane);
    assert.deepEqual(await lags(), [1, 1]);
    await transport.consume(handlers["long-runs"], "long-runs");
    await until(async () => ((await lags())[1] === 0 ? true : undefined));
    assert.deepEqual(await lags(), [1, 0]);
    await transport.consume(handlers.runs);
    await until(async () => ((await lags())[0] === 0 ? true : undefined));
    for (const lane of ["runs", "long-runs"] as const)
      assert.deepEqual(handlers[lane].heard.items, [rung[lane]]);
  });

  it("offsets are committed once a bell is dealt with, and not before", async (t) => {
    const prefix = newPrefix();
    const transport = await open(t, prefix);
    const admin = await openAdmin(t);
    const dealt = Promise.withResolvers<void>();
    const inHand = Promise.withResolvers<void>();
    await transport.consume({
      async onBells() {
        inHand.resolve();
        await dealt.promise;
      },
      onHint() {},
    });
    await transport.ring([{ runId: newId(), availableAt: new Date() }]);
    await inHand.promise;
    assert.equal(await lagOf(admin, prefix), 1);
    dealt.resolve();
    await until(async () => ((await lagOf(admin, prefix)) === 0 ? true : undefined));
  });

  it("what is no bell is skipped and blocks nothing behind it", async (t) => {
    const prefix = newPrefix();
    const transport = await open(t, prefix);
    const admin = await openAdmin(t);
    const producer = client().producer();
    await producer.connect();
    t.after(() => producer.disconnect());
    const garbage = [null, "", "not json", '{"runId":1}', "\0".repeat(10_000)];
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      await producer.send({
        topic: `${prefix}.runs`,
        messages: garbage.map((value) => ({ partition, key: "k", value })),
      });
    }
    const behind = Array.from({ length: 12 }, () => ({ runId: newId(), availableAt: new Date() }));
    await transport.ring(behind);
    const handler = recordingHandler();
    await transport.consume(handler);
    await handler.heard.waitFor(() => true, { count: behind.length });
    assert.deepEqual(handler.heard.items.toSorted(), behind.map(({ runId }) => runId).sort());
    await until(async () => ((await lagOf(admin, prefix)) === 0 ? true : undefined));
  });

  it("dead letters reach their topic, keyed by run", async (t) => {
    const prefix = newPrefix();
    const transport = await open(t, prefix);
    const consumer = client().consumer({ groupId: `${prefix}.outside`, maxWaitTimeInMs: 50 });
    await consumer.connect();
    t.after(() => consumer.disconnect());
    await consumer.subscribe({ topics: [`${prefix}.dead-letters`], fromBeginning: true });
    const arrived = createRecording<{ key: string; letter: DeadLetter }>("dead letter");
    await consumer.run({
      async eachMessage({ message }) {
        arrived.add({
          key: String(message.key),
          letter: JSON.parse(String(message.value)) as DeadLetter,
        });
      },
    });
    const letters: DeadLetter[] = ["http_status", "timeout"].map((code) => ({
      runId: newId(),
      taskId: newId(),
      namespaceId: newId(),
      error: { code, message: "it failed" },
      deadAt: new Date().toISOString(),
    }));
    await transport.publishDeadLetters(letters);
    await arrived.waitFor(() => true, { count: 2 });
    for (const letter of letters) {
      assert.deepEqual(arrived.items.find(({ key }) => key === letter.runId)?.letter, letter);
    }
  });

  it("a broker that is not there is refused at the start", async () => {
    await assert.rejects(
      connectKafka({
        brokers: ["127.0.0.1:1"],
        topicPrefix: newPrefix(),
        partitions: 1,
        ...silent,
      }),
    );
  });

  it("a start that fails half way leaves no connection behind: it is tried again", async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
    const whenNone = () => until(async () => (sockets() === 0 ? true : undefined));
    await whenNone();
    const settings = { brokers, topicPrefix: newPrefix(), partitions: 0, ...silent };
    await assert.rejects(connectKafka(settings), /topics could not be made: Number of partitions/);
    await whenNone();
  });

  it("a group whose members come and go is told of apart from errors", async (t) => {
    const topicPrefix = newPrefix();
    const errors: string[] = [];
    const changes = createRecording<string>("change of the group");
    const settings = { brokers, topicPrefix, partitions: PARTITIONS };
    const first = await openTestTransport({
      ...settings,
      onError: (message, error) => errors.push(`${message}: ${error}`),
      onGroupChange: (message, detail) => changes.add(`${message}: ${detail}`),
    });
    t.after(() => first.close());
    await first.consume(recordingHandler());
    const second = await open(t, topicPrefix);
    await second.consume(recordingHandler());
    await changes.waitFor((said) => said.includes("rebalancing"));
    assert.deepEqual(errors, []);
  });
});
