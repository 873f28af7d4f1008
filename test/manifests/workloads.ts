/** What runs in a build: each workload's pod, wherever its kind keeps it. */
import { parseDuration } from "../../core/duration.ts";
import { type Manifest, nameOf } from "./render.ts";

export interface Probe {
  httpGet?: { path: string; port: string | number };
  [handler: string]: unknown;
}

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: {
    secretKeyRef?: { name: string; key: string; optional?: boolean };
    configMapKeyRef?: { name: string; key: string; optional?: boolean };
  };
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string } }[];
  ports?: { name?: string; containerPort: number; hostPort?: number }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  // biome-ignore lint/suspicious/noExplicitAny: the schemas say what it holds.
  [field: string]: any;
}

export interface Workload {
  manifest: Manifest;
  /** `Deployment worker`. */
  name: string;
  labels: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: the schemas say what it holds.
  spec: { containers: Container[]; [field: string]: any };
  /** It ends by itself. */
  isJob: boolean;
  isKnative: boolean;
}

const KNATIVE_SERVING = "serving.knative.dev/v1";

export function listWorkloads(manifests: readonly Manifest[]): Workload[] {
  return manifests.flatMap((manifest) => {
    const { apiVersion, kind, spec } = manifest;
    const isKnative = kind === "Service" && apiVersion === KNATIVE_SERVING;
    if (!isKnative && !["Deployment", "StatefulSet", "Job"].includes(kind)) return [];
    const { metadata, spec: pod } = spec.template;
    const labels = metadata.labels ?? {};
    return { manifest, name: nameOf(manifest), labels, spec: pod, isJob: kind === "Job", isKnative };
  });
}

/** Of Bellhop's own image. */
export function isOwn(workload: Workload): boolean {
  return workload.spec.containers.some(({ image }) => image.startsWith("bellhop:"));
}

export function findManifest(
  manifests: readonly Manifest[],
  kind: string,
  name: string,
): Manifest | undefined {
  return manifests.find((each) => each.kind === kind && each.metadata.name === name);
}

/** The environment that the manifests give; undefined values are those of secrets that this build does not hold. */
export function environmentOf(
  manifests: readonly Manifest[],
  { env = [], envFrom = [] }: Container,
): Record<string, string | undefined> {
  const all: Record<string, string | undefined> = {};
  for (const { configMapRef } of envFrom) {
    Object.assign(all, findManifest(manifests, "ConfigMap", configMapRef?.name ?? "")?.["data"]);
  }
  for (const { name, value, valueFrom } of env) {
    all[name] = value ?? readSecret(manifests, valueFrom?.secretKeyRef);
  }
  return all;
}

function readSecret(manifests: readonly Manifest[], ref?: { name: string; key: string }): string | undefined {
  if (!ref) return undefined;
  const sealed = findManifest(manifests, "Secret", ref.name)?.["data"]?.[ref.key] as string | undefined;
  return sealed === undefined ? undefined : Buffer.from(sealed, "base64").toString();
}

/** How long Kubernetes waits from SIGTERM to SIGKILL. Knative gives a pod as long as a request. */
export function graceMsOf({ isKnative, spec }: Workload): number {
  return 1_000 * ((isKnative ? spec["timeoutSeconds"] : spec["terminationGracePeriodSeconds"]) ?? 30);
}

export function durationMs(text: string | undefined): number {
  const ms = parseDuration(text ?? "");
  if (ms === undefined) throw new Error(`${text} is no duration`);
  return ms;
}

/** `{a: 1}` matches what has at least that. */
export function matchesLabels(
  selector: {
    matchLabels?: Record<string, string>;
    matchExpressions?: { key: string; operator: string; values?: string[] }[];
  },
  labels: Record<string, string>,
): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator !== "In") throw new Error(`the operator ${operator} is not known here`);
      return values.includes(labels[key] ?? "");
    })
  );
}
