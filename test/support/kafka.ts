/**
 * The broker of TEST_KAFKA_BROKERS, which `npm test` sets, or why there is none. A file run by hand starts a broker
 * of its own at the first need and stops it at its end.
 */
import { after } from "node:test";
import { findKafkaSupport } from "../kafka/broker.ts";
import { startTestKafka, type TestServer } from "./servers.ts";

let ownBroker: Promise<TestServer> | undefined;

after(async () => {
  await (await ownBroker)?.stop();
});

export async function testKafka(): Promise<{ brokers: string } | { skip: string }> {
  const { TEST_KAFKA_BROKERS: given, TEST_KAFKA_SKIP: reason, KAFKA_BROKERS: own } = process.env;
  if (given) return { brokers: given };
  if (reason) return { skip: reason };
  if (own) return { brokers: own };
  const missing = findKafkaSupport();
  if (missing) return { skip: missing };
  ownBroker ??= startTestKafka();
  return { brokers: (await ownBroker).address };
}
