/** A broker that refuses what a worker needs: the worker ends and says why; who only sends goes on. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { testKafka } from "../support/kafka.ts";
import { HEAL_MS, postTask, startSystem, whenDone, whenQueues } from "./kafka-system.ts";

const kafka = await testKafka();

/** Its own controller it lets in by a password; who comes without one may connect and nothing else. */
const SETTINGS = {
  "process.roles": "broker,controller",
  "node.id": "1",
  "controller.quorum.voters": "1@127.0.0.1:CONTROLLER_PORT",
  listeners: "PLAINTEXT://127.0.0.1:PORT,CONTROLLER://127.0.0.1:CONTROLLER_PORT",
  "advertised.listeners": "PLAINTEXT://127.0.0.1:PORT",
  "controller.listener.names": "CONTROLLER",
  "inter.broker.listener.name": "PLAINTEXT",
  "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
  "sasl.enabled.mechanisms": "PLAIN",
  "sasl.mechanism.controller.protocol": "PLAIN",
  "listener.name.controller.plain.sasl.jaas.config":
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="broker" user_broker="broker";',
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:broker",
  "log.dirs": "DATA",
  "auto.create.topics.enable": "false",
  "offsets.topic.replication.factor": "1",
};

describe("a broker that refuses", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  it("a worker that may not make its topics drains, and ends with a message; API and scheduler go on", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "bellhop-broker-"));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const broker: KafkaBroker = await startKafkaBroker({ dir, settings: SETTINGS });
    t.after(() => broker.kill());
    const system = await startSystem(broker.brokers, { hasNoBroker: true });
    t.after(() => system.stop());
    const { worker, roles } = system;
    await whenDone(system, [await postTask(system)]);
    const { code } = await Promise.race([
      worker.exited,
      new Promise<never>((_, reject) => setTimeout(reject, HEAL_MS, new Error("the worker goes on")).unref()),
    ]);
    assert.equal(code, 1);
    // It is said on one pipe, and that the worker has stopped on the other: either may be read first.
    assert.match(
      worker.lines.slice(-2).join("\n"),
      /^Kafka refuses what a consumer needs: topics could not be made: .*authorized/m,
    );
    await whenQueues(roles.slice(0, 2), (queue) => queue === "not connected yet");
  });
});
