import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { findKafkaSupport, startKafkaBroker } from "./broker.ts";

async function withAdmin<T>(brokers: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

if (findKafkaSupport() === undefined && process.env["TEST_KAFKA_SKIP"] === undefined) {
  test("a killed broker comes back on the same port with its topics", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "bellhop-kafka-"));
    const broker = await startKafkaBroker({ dir });
    t.after(async () => {
      await broker.stop();
      await rm(dir, { recursive: true, force: true });
    });
    await withAdmin(broker.brokers, (admin) => admin.createTopics({ topics: [{ topic: "errands" }] }));
    const before = broker.pid;
    await broker.kill();
    await broker.restart();
    assert.notEqual(broker.pid, before);
    assert.deepEqual(await withAdmin(broker.brokers, (admin) => admin.listTopics()), ["errands"]);
    assert.match(
      await readFile(join(dir, "server.properties"), "utf8"),
      /^auto\.create\.topics\.enable=false$/m,
    );
  });
} else {
  test("what is missing for a broker is said in one line", () => {
    assert.match(findKafkaSupport() ?? process.env["TEST_KAFKA_SKIP"] ?? "", /^[^\n]+$/);
  });
}
