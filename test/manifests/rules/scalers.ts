/** What scales workers must speak of the topics, groups, slots and addresses that the code uses. */
import { readSettings } from "../../../core/config/settings.ts";
import { type Lane, laneOf, type ReceiveMode } from "../../../core/domain/lane.ts";
import { nameQueues } from "../../../core/queue/names.ts";
import { withDemand } from "../../../scheduler/demand-page.ts";
import { type Manifest, nameOf } from "../render.ts";
import {
  durationMs,
  environmentOf,
  findManifest,
  isOwn,
  listWorkloads,
  type Workload,
} from "../workloads.ts";
import { findPort } from "./references.ts";

interface Trigger {
  type: string;
  metadata: Record<string, string>;
}

/** keda.sh/docs: what is said of a trigger is a map of texts, which no schema looks into. */
const TRIGGER_FIELDS: Record<string, { needed: string[]; optional: string[] }> = {
  kafka: {
    needed: ["bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy", "version"],
    optional: [
      "activationLagThreshold",
      "allowIdleConsumers",
      "excludePersistentLag",
      "limitToPartitionsWithLag",
    ],
  },
  "metrics-api": {
    needed: ["url", "valueLocation", "targetValue"],
    optional: ["activationTargetValue", "format", "timeout"],
  },
};
/** From the look of KEDA to a pod that runs. */
const POD_START_MS = 20_000;

export async function findScalerFaults(manifests: readonly Manifest[]): Promise<string[]> {
  const settings = findSettings(manifests);
  const faults: string[] = [];
  for (const manifest of manifests) {
    const found =
      manifest.kind === "ScaledObject"
        ? await findScaledObjectFaults(manifest, manifests, settings)
        : manifest.kind === "KafkaSource"
          ? findSourceFaults(manifest, manifests, settings)
          : [];
    faults.push(...found.map((fault) => `${nameOf(manifest)}: ${fault}`));
  }
  return [
    ...faults,
    ...listWorkloads(manifests)
      .filter(({ isKnative }) => isKnative)
      .flatMap((workload) => findKnativeFaults(workload, manifests, settings)),
  ];
}

type Settings = Record<string, string>;

/** What every role reads. */
export function findSettings(manifests: readonly Manifest[]): Settings {
  const found = manifests.find(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.name.startsWith("bellhop-"),
  );
  return (found?.["data"] ?? {}) as Settings;
}

/** What a function may take, and takes where it asks for nothing less. */
function longestCallMs(env: Record<string, string | undefined>): number {
  return readSettings(["FUNCTION_MAX_WALL"], env).FUNCTION_MAX_WALL;
}

/** What the workers of a workload consume; undefined where they are sent their bells. */
export function laneOfWorkload(manifests: readonly Manifest[], { spec }: Workload): Lane | undefined {
  const mode = environmentOf(manifests, spec.containers[0]!)["WORKER_RECEIVE"] ?? "queue";
  return laneOf(mode as ReceiveMode);
}

async function findScaledObjectFaults(
  { spec }: Manifest,
  manifests: readonly Manifest[],
  settings: Settings,
): Promise<string[]> {
  const faults: string[] = [];
  const workload = listWorkloads(manifests).find(
    ({ manifest: { kind, metadata } }) =>
      kind === spec.scaleTargetRef.kind && metadata.name === spec.scaleTargetRef.name,
  );
  if (!workload) return ["scales nothing"];
  if (workload.manifest["spec"].replicas !== undefined)
    faults.push("its target says how many replicas there are");
  if (spec.maxReplicaCount > Number(settings["KAFKA_PARTITIONS"]))
    faults.push("asks for more workers than there are partitions");
  if (durationMs(settings["WORKERS_AHEAD"]) < spec.pollingInterval * 1_000 + POD_START_MS)
    faults.push("WORKERS_AHEAD is over before a pod has started");
  const env = environmentOf(manifests, workload.spec.containers[0]!);
  if (durationMs(env["WORKER_DRAIN"]) < longestCallMs(env))
    faults.push("what it scales down is stopped before the longest call has ended");
  const triggers = spec.triggers as Trigger[];
  for (const type of Object.keys(TRIGGER_FIELDS)) {
    if (!triggers.some((each) => each.type === type)) faults.push(`has no trigger ${type}`);
  }
  for (const { type, metadata } of triggers) {
    const { needed = [], optional = [] } = TRIGGER_FIELDS[type] ?? {};
    const unknown = Object.keys(metadata).filter((field) => ![...needed, ...optional].includes(field));
    faults.push(...unknown.map((field) => `${type}: there is no field ${field}`));
    faults.push(...needed.filter((field) => !(field in metadata)).map((field) => `${type}: lacks ${field}`));
    if (type === "kafka")
      faults.push(...findLagFaults(metadata, settings, laneOfWorkload(manifests, workload)));
    if (type === "metrics-api") {
      faults.push(...findTargetFaults(metadata, settings, laneOfWorkload(manifests, workload)));
      faults.push(...(await findDemandFaults(metadata, manifests)));
    }
  }
  return faults;
}

function findLagFaults(
  metadata: Record<string, string>,
  settings: Settings,
  lane: Lane | undefined,
): string[] {
  if (lane === undefined) return ["kafka: its workers consume nothing"];
  const { topics, groups } = nameQueues(settings["KAFKA_TOPIC_PREFIX"]!);
  const rules: [boolean, string][] = [
    [
      metadata["bootstrapServers"] === settings["KAFKA_BROKERS"],
      "kafka: looks at other brokers than the workers",
    ],
    [metadata["topic"] === topics[lane], `kafka: its workers consume ${topics[lane]}`],
    [metadata["consumerGroup"] === groups[lane], `kafka: its workers are ${groups[lane]}`],
    [
      Number(metadata["lagThreshold"]) <= Number(settings["WORKER_SLOTS"]),
      "kafka: a worker has fewer slots than lagThreshold",
    ],
    [metadata["offsetResetPolicy"] === "earliest", "kafka: bells before the first worker are not seen"],
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => fault);
}

/** Of the figures, the one that counts what such workers have: each lane's is wanted by its own runs. */
const FIGURES: Record<Lane, string> = { runs: "demand", "long-runs": "busyLongSlots" };

function findTargetFaults(
  { targetValue, valueLocation }: Record<string, string>,
  settings: Settings,
  lane: Lane | undefined,
): string[] {
  if (lane === undefined) return ["metrics-api: no figure counts what its workers have"];
  const target = Number(targetValue);
  const rules: [boolean, string][] = [
    [
      target > 0 && target <= Number(settings["WORKER_SLOTS"]),
      "metrics-api: a worker has fewer slots than targetValue",
    ],
    [valueLocation === FIGURES[lane], `metrics-api: what its workers have is ${FIGURES[lane]}`],
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => fault);
}

async function findDemandFaults(
  { url = "", valueLocation = "" }: Record<string, string>,
  manifests: readonly Manifest[],
): Promise<string[]> {
  const { hostname, port, pathname } = new URL(url);
  const [name = "", namespace] = hostname.split(".");
  const service = findManifest(manifests, "Service", name);
  if (service?.metadata.namespace !== namespace) return [`metrics-api: there is no Service at ${hostname}`];
  const asked = service!["spec"].ports.find((each: { port: number }) => String(each.port) === port);
  const scheduler = listWorkloads(manifests).find(
    ({ name: workload }) => workload === "Deployment scheduler",
  );
  if (!asked || !scheduler || !findPort(scheduler.spec.containers[0]!, asked.targetPort))
    return [`metrics-api: nobody answers at port ${port}`];
  const counts = {
    ...{ dueRuns: 1, runningRuns: 1, busySlots: 1, busyLongSlots: 1, waitingCallers: 1, upcomingRuns: 1 },
  };
  const answer = await withDemand(
    async () => undefined,
    async () => counts,
  )(pathname);
  if (!answer) return [`metrics-api: a scheduler has no page ${pathname}`];
  return typeof JSON.parse(answer.body)[valueLocation] === "number"
    ? []
    : [`metrics-api: the demand has no field ${valueLocation}`];
}

function findSourceFaults({ spec }: Manifest, manifests: readonly Manifest[], settings: Settings): string[] {
  const { topics, groups } = nameQueues(settings["KAFKA_TOPIC_PREFIX"]!);
  const sink = findManifest(manifests, "KafkaSink", spec.delivery.deadLetterSink.ref.name);
  const sinkTopic: string = sink?.["spec"].topic ?? "";
  const brokers = [...spec.bootstrapServers, ...(sink?.["spec"].bootstrapServers ?? [])];
  const rules: [boolean, string][] = [
    [spec.topics.length === 1 && spec.topics[0] === topics.runs, `bells stand in ${topics.runs}`],
    [spec.consumerGroup === groups.runs, `the group of that lane is ${groups.runs}`],
    [brokers.every((each) => each === settings["KAFKA_BROKERS"]), "looks at other brokers than the workers"],
    [spec.initialOffset === "earliest", "does not hear what was rung before it"],
    [spec.ordering === "unordered", "waits for each run before it delivers the next"],
    [spec.consumers <= Number(settings["KAFKA_PARTITIONS"]), "has more consumers than there are partitions"],
    [
      sinkTopic.startsWith(`${settings["KAFKA_TOPIC_PREFIX"]}.`) &&
        !Object.values(topics).includes(sinkTopic),
      "what is not delivered goes to a topic of the runs",
    ],
    [
      listWorkloads(manifests).some((each) => isOwn(each) && laneOfWorkload(manifests, each) === "long-runs"),
      "nobody takes the runs that are too long for an event",
    ],
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => fault);
}

/** Fields that Knative takes only where a feature flag allows them. */
const FLAGGED = [
  "affinity",
  "nodeSelector",
  "tolerations",
  "topologySpreadConstraints",
  "securityContext",
  "initContainers",
];

function findKnativeFaults(workload: Workload, manifests: readonly Manifest[], settings: Settings): string[] {
  const { spec, name } = workload;
  const env = environmentOf(manifests, spec.containers[0]!);
  const windowMs = spec["timeoutSeconds"] * 1_000;
  const rules: [boolean, string][] = [
    [env["WORKER_RECEIVE"] === "events", "is sent events and does not take them"],
    [env["PORT"] === undefined, "says PORT, which is Knative's to say"],
    [spec["containerConcurrency"] > 0, "has no bound of requests"],
    [spec["containerConcurrency"] <= Number(settings["WORKER_SLOTS"]), "is sent more than it has slots"],
    [spec["timeoutSeconds"] <= 600, "asks for a longer request than Knative allows by default"],
    [spec["responseStartTimeoutSeconds"] === spec["timeoutSeconds"], "is cut before its run has ended"],
    [durationMs(env["WORKER_EVENTS_WINDOW"]) < windowMs, "takes runs that outlast a request"],
    [
      longestCallMs(env) < durationMs(env["WORKER_EVENTS_WINDOW"]),
      "is sent no call of a function that asks for no limit: FUNCTION_MAX_WALL is beyond the window",
    ],
    [FLAGGED.every((field) => spec[field] === undefined), "needs a feature flag of Knative"],
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => `${name}: ${fault}`);
}
