/** What names something else must find it. */
import type { Manifest } from "../render.ts";
import { nameOf } from "../render.ts";
import { type Container, findManifest, listWorkloads, matchesLabels, type Workload } from "../workloads.ts";

/** A secret that is the operator's to make, and its keys. */
export interface OutsideSecret {
  name: string;
  keys: readonly string[];
}

export function findReferenceFaults(manifests: readonly Manifest[], outside: OutsideSecret): string[] {
  const workloads = listWorkloads(manifests);
  return [
    ...manifests.flatMap((manifest) =>
      findObjectFaults(manifest, manifests, workloads).map((fault) => `${nameOf(manifest)}: ${fault}`),
    ),
    ...workloads.flatMap((workload) =>
      findWorkloadFaults(workload, manifests, workloads, outside).map(
        (fault) => `${workload.name}: ${fault}`,
      ),
    ),
  ];
}

function findObjectFaults(
  manifest: Manifest,
  manifests: readonly Manifest[],
  workloads: readonly Workload[],
): string[] {
  const { kind, spec, metadata } = manifest;
  const faults: string[] = [];
  const want = (wantedKind: string, name: string) => {
    if (!findManifest(manifests, wantedKind, name)) faults.push(`there is no ${wantedKind} ${name}`);
  };
  const wantRef = (ref: { kind: string; name: string }) => want(ref.kind, ref.name);
  const wantPods = (selector: object, what: string) => {
    if (!workloads.some(({ labels }) => matchesLabels(selector, labels)))
      faults.push(`${what} selects no pod`);
  };
  if (kind !== "Namespace") {
    if (metadata.namespace === undefined) faults.push("has no namespace");
    else want("Namespace", metadata.namespace);
  }
  if (kind === "HorizontalPodAutoscaler" || kind === "ScaledObject") wantRef(spec.scaleTargetRef);
  if (kind === "PodDisruptionBudget") wantPods(spec.selector, "its selector");
  if (kind === "NetworkPolicy") wantPods(spec.podSelector, "its podSelector");
  if (kind === "StatefulSet") want("Service", spec.serviceName);
  if (kind === "RoleBinding") for (const ref of [manifest["roleRef"], ...manifest["subjects"]]) wantRef(ref);
  if (kind === "KafkaSource") for (const { ref } of [spec.sink, spec.delivery.deadLetterSink]) wantRef(ref);
  if (kind === "Service" && manifest.apiVersion === "v1") {
    wantPods({ matchLabels: spec.selector }, "its selector");
    faults.push(...findServiceFaults(spec, workloads));
  }
  return faults;
}

function findServiceFaults(
  spec: { selector: Record<string, string>; ports: { targetPort: string | number }[] },
  workloads: readonly Workload[],
): string[] {
  const selected = workloads.filter(({ labels }) => matchesLabels({ matchLabels: spec.selector }, labels));
  return selected.flatMap(({ name, spec: { containers } }) =>
    spec.ports
      .filter(({ targetPort }) => !containers.some((container) => findPort(container, targetPort)))
      .map(({ targetPort }) => `${name} has no port ${targetPort}`),
  );
}

function findWorkloadFaults(
  workload: Workload,
  manifests: readonly Manifest[],
  workloads: readonly Workload[],
  outside: OutsideSecret,
): string[] {
  const { spec, labels, manifest } = workload;
  const faults: string[] = [];
  const account = spec["serviceAccountName"];
  if (account !== undefined && !findManifest(manifests, "ServiceAccount", account))
    faults.push(`there is no ServiceAccount ${account}`);
  for (const { labelSelector } of spec["topologySpreadConstraints"] ?? []) {
    if (!matchesLabels(labelSelector, labels)) faults.push("spreads other pods than its own");
  }
  const selector = manifest["spec"].selector;
  if (selector) {
    if (!matchesLabels(selector, labels)) faults.push("its selector does not match its own pods");
    const others = workloads.filter((other) => other !== workload && matchesLabels(selector, other.labels));
    faults.push(...others.map(({ name }) => `its selector matches the pods of ${name} too`));
  }
  return [
    ...faults,
    ...spec.containers.flatMap((container) => findContainerFaults(container, workload, manifests, outside)),
  ];
}

function findContainerFaults(
  container: Container,
  { spec, manifest }: Workload,
  manifests: readonly Manifest[],
  outside: OutsideSecret,
): string[] {
  const faults: string[] = [];
  const keysOf = (kind: string, name: string): readonly string[] | undefined =>
    Object.keys(findManifest(manifests, kind, name)?.["data"] ?? {}) as string[];
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (secretRef) faults.push("takes a whole Secret");
    if (configMapRef && !findManifest(manifests, "ConfigMap", configMapRef.name))
      faults.push(`there is no ConfigMap ${configMapRef.name}`);
  }
  for (const { name, valueFrom = {} } of container.env ?? []) {
    const { secretKeyRef: secret, configMapKeyRef: config } = valueFrom;
    const secretKeys = secret?.name === outside.name ? outside.keys : keysOf("Secret", secret?.name ?? "");
    // Examples need not have every secret that the operator may give.
    const mayMiss = secret?.optional && secret.name !== outside.name;
    if (secret && !mayMiss && !secretKeys?.includes(secret.key))
      faults.push(`${name}: no ${secret.key} in ${secret.name}`);
    if (config && !keysOf("ConfigMap", config.name)?.includes(config.key))
      faults.push(`${name}: no ${config.key} in ${config.name}`);
  }
  for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
    const port = probe?.httpGet?.port ?? (probe?.["tcpSocket"] as { port: string } | undefined)?.port;
    if (port !== undefined && !findPort(container, port))
      faults.push(`probes the port ${port}, which it has not`);
  }
  const claims = (manifest["spec"].volumeClaimTemplates ?? []) as { metadata: { name: string } }[];
  const volumes = [
    ...(spec["volumes"] ?? []).map(({ name }: { name: string }) => name),
    ...claims.map(({ metadata }) => metadata.name),
  ];
  for (const { name } of container["volumeMounts"] ?? []) {
    if (!volumes.includes(name)) faults.push(`mounts ${name}, which is no volume`);
  }
  return faults;
}

/** By name or number. */
export function findPort(container: Container, port: string | number): number | undefined {
  return (container.ports ?? []).find(({ name, containerPort }) => name === port || containerPort === port)
    ?.containerPort;
}
