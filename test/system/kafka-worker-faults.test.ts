/** A worker that is frozen, and topics that go, while roles run: bells are heard again, without a restart. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nameQueues } from "../../core/queue/names.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { testKafka } from "../support/kafka.ts";
import {
  assertHeard,
  countWarnings,
  HEAL_MS,
  MAX_WARNINGS,
  markLogs,
  PARTITIONS,
  postTask,
  readLost,
  readReceived,
  type System,
  startSystem,
  whenDone,
  whenQueues,
  withAdmin,
} from "./kafka-system.ts";

const kafka = await testKafka();
const skip = "skip" in kafka ? kafka.skip : false;
const SLOTS = 2;

describe("a worker and its topics, on a broker that stands", { skip }, () => {
  let system: System;
  before(async () => {
    system = await startSystem("brokers" in kafka ? kafka.brokers : "", {
      env: { WORKER_SLOTS: String(SLOTS) },
    });
  });
  after(() => system?.stop());

  it("a worker that was frozen, with bells in hand, until its group had forgotten it hears bells again", async () => {
    await assertHeard(system);
    const { worker, brokers, prefix, sink } = system;
    const held = Promise.withResolvers<void>();
    sink.reply = async ({ url }) => {
      if (url === "/held") await held.promise;
      return { status: 200 };
    };
    const post = (path: string) => postTask(system, undefined, path);
    const tasks = await Promise.all(Array.from({ length: SLOTS }, () => post("/held")));
    await sink.waitFor(({ url }) => url === "/held", { count: SLOTS, timeoutMs: HEAL_MS });
    // Nothing takes these: their bells are in hand when the worker stands still, and committed by one who is forgotten.
    const received = await readReceived(worker);
    tasks.push(...(await Promise.all(Array.from({ length: PARTITIONS * 2 }, () => post("")))));
    await until(async () => ((await readReceived(worker)) > received ? true : undefined), HEAL_MS);
    worker.signal("SIGSTOP");
    await withAdmin(brokers, (admin) =>
      until(async () => {
        const { groups } = await admin.describeGroups([nameQueues(prefix).groups.runs]);
        return groups[0]!.members.length === 0 ? true : undefined;
      }, HEAL_MS),
    );
    worker.signal("SIGCONT");
    held.resolve();
    await whenDone(system, tasks);
    await assertHeard(system);
  });

  it("topics that are deleted while roles run are made again, and bells are heard", async (t) => {
    const { roles, brokers, prefix, worker } = system;
    await assertHeard(system);
    const since = markLogs(roles);
    const lost = await readLost(worker);
    const topics = Object.values(nameQueues(prefix).topics);
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics }));
    const isMissing = (queue: unknown) => /there is no topic|not heard/.test(String(queue));
    await whenQueues([worker], isMissing);
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`consumers lost: ${(await readLost(worker)) - lost}; lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= MAX_WARNINGS, `${warnings} lines`);
  });
});
