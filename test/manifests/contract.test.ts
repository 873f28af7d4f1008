/**
 * Each workload of each build, started as a process with exactly the command, arguments and environment that its
 * manifest gives, and probed where its manifest probes. Replaced are secrets, addresses (the test's Postgres and Kafka),
 * the prefix of Kafka's names, and the port, for a free one.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { apiProgram } from "../../api/main.ts";
import { readSettings } from "../../core/config/settings.ts";
import { KAFKA_SOURCE_EVENT_TYPE } from "../../core/queue/names.ts";
import type { RoleProgram } from "../../core/role.ts";
import { newId } from "../../core/store/ids.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { workerProgram } from "../../runtime/main.ts";
import { schedulerProgram } from "../../scheduler/main.ts";
import { createEmptyDatabase, type TestDatabase } from "../support/database.ts";
import { testKafka } from "../support/kafka.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";
import { portOf, whenQueueIsReady } from "../system/cluster.ts";
import { BUILDS, type Manifest, renderAll } from "./render.ts";
import { findPort } from "./rules/references.ts";
import { findSettings } from "./rules/scalers.ts";
import { environmentOf, isOwn, listWorkloads, type Probe, type Workload } from "./workloads.ts";

const builds = await renderAll();
const kafka = await testKafka();
const skip = "skip" in builds ? builds.skip : "skip" in kafka ? kafka.skip : false;
const brokers = "brokers" in kafka ? kafka.brokers : "";
const manifestsOf = (build: string): Manifest[] => ("skip" in builds ? [] : builds.get(build)!);

const PROGRAMS: Record<string, RoleProgram> = {
  "api/main.ts": apiProgram,
  "scheduler/main.ts": schedulerProgram,
  "runtime/main.ts": workerProgram,
};
/** What the test puts its own in the place of. */
const OUTSIDE = new Set([
  ...["DATABASE_URL", "DATABASE_DIRECT_URL", "BELLHOP_API_KEY", "BELLHOP_SECRETS_KEY", "EMAIL_URL"],
  ...["KAFKA_BROKERS", "KAFKA_TOPIC_PREFIX"],
]);
const PREFIX = `test-${randomBytes(4).toString("hex")}`;
let database: TestDatabase;

/** The environment of the manifest, with what must be the test's own put in its place. */
function replaceOutside(env: Record<string, string | undefined>): Record<string, string> {
  const ours: Record<string, string> = {
    DATABASE_URL: database.url,
    DATABASE_DIRECT_URL: database.url,
    BELLHOP_API_KEY: `bh_${randomBytes(8).toString("hex")}`,
    BELLHOP_SECRETS_KEY: randomBytes(32).toString("base64"),
    EMAIL_URL: "smtp://127.0.0.1:1025",
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC_PREFIX: PREFIX,
  };
  const replaced = Object.keys(env).map((name) => [name, ours[name] ?? env[name]] as const);
  for (const [name, value] of replaced) assert.ok(value !== undefined, `${name} has a value`);
  return { ...(Object.fromEntries(replaced) as Record<string, string>), PORT: "0", HOST: "127.0.0.1" };
}

/** All that decides what a workload does here: a role by the settings it reads, whoever says them. */
function describeStart(manifests: readonly Manifest[], { name, spec }: Workload): string {
  const container = spec.containers[0]!;
  const { args, ports, startupProbe, livenessProbe, readinessProbe } = container;
  const given = Object.entries(environmentOf(manifests, container));
  const env = Object.fromEntries(given.filter(([key]) => !OUTSIDE.has(key)));
  const program = PROGRAMS[args?.[1] ?? ""];
  const read = program
    ? readSettings(program.settings, { ...env, DATABASE_URL: "postgres://replaced" }, program.defaults)
    : env;
  const outside = given.map(([key]) => key).filter((key) => OUTSIDE.has(key));
  return JSON.stringify([
    name,
    args,
    ports,
    startupProbe,
    livenessProbe,
    readinessProbe,
    read,
    outside.sort(),
  ]);
}

/** The process of a workload's only container; the image's entry point runs its arguments. */
function startWorkload(manifests: readonly Manifest[], { spec }: Workload): RunningProcess {
  assert.equal(spec.containers.length, 1);
  const { command, args: [node, file, ...more] = [] } = spec.containers[0]!;
  assert.equal(command, undefined, "the entry point, which reaps what executors leave, stays");
  assert.equal(node, "node");
  return startProcess(file!, {
    args: more,
    isFromSource: true,
    env: replaceOutside(environmentOf(manifests, spec.containers[0]!)),
  });
}

async function waitUntilReady(role: RunningProcess): Promise<string> {
  await role.waitForLine(/"msg":"\w+ started"/);
  return `http://127.0.0.1:${portOf(role)}`;
}

/** The manifest's probes find what they look for, at the port that the role takes where nobody says another. */
async function probe(manifests: readonly Manifest[], { spec, name }: Workload, url: string): Promise<void> {
  const container = spec.containers[0]!;
  const program = PROGRAMS[container.args?.[1] ?? ""];
  assert.ok(program, `${name} runs a role`);
  const { DATABASE_URL: _url, ...env } = replaceOutside(environmentOf(manifests, container));
  const { PORT: _port, ...portless } = env;
  const { PORT } = readSettings(["PORT"], portless, program.defaults);
  for (const kind of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
    const { path, port } = (container[kind] as Required<Pick<Probe, "httpGet">>).httpGet;
    assert.equal(findPort(container, port), PORT, `${name}: ${kind}`);
    await until(async () => ((await fetch(`${url}${path}`)).status === 200 ? true : undefined));
  }
}

describe("each workload does what its manifest says", { skip, concurrency: 2 }, () => {
  before(async () => {
    database = await createEmptyDatabase();
  });
  after(() => database.drop());

  const seen = new Set<string>();
  for (const build of BUILDS) {
    const manifests = manifestsOf(build);
    for (const workload of listWorkloads(manifests).filter(isOwn)) {
      // What another build starts in the same way is not started again.
      const start = describeStart(manifests, workload);
      if (seen.has(start)) continue;
      seen.add(start);
      if (workload.isJob) {
        it(`${build}: ${workload.name} runs to its end`, async () => {
          const job = startWorkload(manifests, workload);
          assert.deepEqual(await job.exited, { code: 0, signal: null }, job.lines.join("\n"));
        });
        continue;
      }
      it(`${build}: ${workload.name} starts, answers its probes, and stops at SIGTERM`, async () => {
        const role = startWorkload(manifests, workload);
        const url = await waitUntilReady(role);
        await probe(manifests, workload, url);
        if (workload.name === "Deployment scheduler") await readDemand(manifests, url);
        // It started without Kafka, and makes the topics beside its work.
        if (workload.name === "Deployment api") await whenQueueIsReady(role);
        if (workload.isKnative) await sendEvent(url);
        // Outside of a cluster nothing can be marked: that it is said shows that it is tried.
        if (marksPods(workload)) await role.waitForLine(/pods of workers could not be marked/);
        await role.stop();
        assert.deepEqual(await role.exited, { code: 0, signal: null }, role.lines.join("\n"));
      });
    }
  }

  const marksPods = ({ spec }: Workload) =>
    spec.containers[0]!.env?.some(({ name }) => name === "WORKERS_POD_DELETION_COST") ?? false;

  /** As Knative's source sends a bell: here for a run that is gone. */
  async function sendEvent(url: string): Promise<void> {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "partition:0/offset:1",
        "ce-source": "/apis/v1/namespaces/bellhop/kafkasources/runs#bellhop.runs",
        "ce-type": KAFKA_SOURCE_EVENT_TYPE,
      },
      body: JSON.stringify({ runId: newId(), availableAt: Date.now() }),
    });
    assert.equal(answer.status, 204);
  }

  /** Asks where the scalers ask. */
  async function readDemand(manifests: readonly Manifest[], url: string): Promise<void> {
    for (const { metadata } of triggersOf(manifests, "metrics-api")) {
      const answer = await fetch(`${url}${new URL(metadata["url"]!).pathname}`);
      const page = (await answer.json()) as Record<string, unknown>;
      assert.equal(typeof page[metadata["valueLocation"]!], "number");
    }
  }
});

describe("what the scalers look at on Kafka", { skip }, () => {
  it("is what the roles made there: topics, and groups with their first offsets", async (t) => {
    const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    t.after(() => admin.disconnect());
    const looks = BUILDS.flatMap((build) => looksOf(manifestsOf(build)));
    assert.ok(looks.length >= 4, "two scalers, a source in two builds");
    for (const { topic, groupId } of looks) {
      const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
      assert.ok(offsets!.partitions.length > 0, topic);
      for (const { offset, partition } of offsets!.partitions)
        assert.notEqual(offset, "-1", `${topic} ${partition}`);
    }
  });
});

interface Trigger {
  type: string;
  metadata: Record<string, string>;
}

function triggersOf(manifests: readonly Manifest[], type: string): Trigger[] {
  return manifests
    .filter(({ kind }) => kind === "ScaledObject")
    .flatMap(({ spec }) => (spec.triggers as Trigger[]).filter((trigger) => trigger.type === type));
}

/** Topics and groups that a build's scalers and sources name, under the test's prefix. */
function looksOf(manifests: readonly Manifest[]): { topic: string; groupId: string }[] {
  const { KAFKA_TOPIC_PREFIX: prefix = "" } = findSettings(manifests);
  const rename = (name: string) => `${PREFIX}${name.slice(prefix.length)}`;
  const sources = manifests.filter(({ kind }) => kind === "KafkaSource").map(({ spec }) => spec);
  return [
    ...triggersOf(manifests, "kafka").map(({ metadata }) => [metadata["topic"]!, metadata["consumerGroup"]!]),
    ...sources.map(({ topics, consumerGroup }) => [topics[0], consumerGroup] as [string, string]),
  ].map(([topic, group]) => ({ topic: rename(topic!), groupId: rename(group!) }));
}
