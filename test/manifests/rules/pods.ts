/** What every pod must be: within the restricted Pod Security profile, bounded, probed, and without a token it does not use. */
import type { Manifest } from "../render.ts";
import {
  type Container,
  durationMs,
  environmentOf,
  graceMsOf,
  isOwn,
  listWorkloads,
  type Workload,
} from "../workloads.ts";

const VOLUMES = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"];
const RESTRICTED_VOLUMES = new Set(["name", ...VOLUMES, "projected", "secret"]);

export function findPodFaults(manifests: readonly Manifest[]): string[] {
  const tellingAccounts = new Set(
    manifests
      .filter(({ kind }) => kind === "RoleBinding")
      .flatMap(({ subjects }) => subjects.map(({ name }: { name: string }) => name)),
  );
  return listWorkloads(manifests).flatMap((workload) => [
    ...findPodProfileFaults(workload),
    ...findTokenFaults(workload, tellingAccounts),
    ...workload.spec.containers.flatMap((container) =>
      [
        ...findProfileFaults(workload, container),
        ...findBoundFaults(workload, container),
        ...findDrainFaults(workload, environmentOf(manifests, container)),
      ].map((fault) => `${workload.name}: ${container.name} ${fault}`),
    ),
  ]);
}

function findPodProfileFaults({ name, spec }: Workload): string[] {
  const faults = ["hostNetwork", "hostPID", "hostIPC"].filter((field) => spec[field] === true);
  for (const volume of spec["volumes"] ?? []) {
    faults.push(...Object.keys(volume).filter((kind) => !RESTRICTED_VOLUMES.has(kind)));
  }
  return faults.map((fault) => `${name}: the restricted profile forbids ${fault}`);
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards: what is not said for the container, the pod says. */
function findProfileFaults(workload: Workload, container: Container): string[] {
  const security = { ...workload.spec["securityContext"], ...container["securityContext"] };
  const { drop = [], add = [] } = security.capabilities ?? {};
  const rules: [boolean, string][] = [
    [security.runAsNonRoot === true, "may run as root"],
    [security.runAsUser > 0, "has no user of its own"],
    [security.allowPrivilegeEscalation === false, "may gain privileges"],
    [security.privileged !== true, "is privileged"],
    [drop.includes("ALL"), "keeps capabilities"],
    [add.every((each: string) => each === "NET_BIND_SERVICE"), "adds capabilities"],
    [
      ["RuntimeDefault", "Localhost"].includes(security.seccompProfile?.type),
      "has no filter of system calls",
    ],
    [(security.procMount ?? "Default") === "Default", "unmasks /proc"],
    [(container.ports ?? []).every(({ hostPort }) => hostPort === undefined), "takes a port of its host"],
    [!isOwn(workload) || security.readOnlyRootFilesystem === true, "may write to its root"],
    [!isOwn(workload) || hasTmp(workload, container), "has no folder for temporary files"],
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => fault);
}

function hasTmp({ spec }: Workload, container: Container): boolean {
  const mount = container["volumeMounts"]?.find(
    ({ mountPath }: { mountPath: string }) => mountPath === "/tmp",
  );
  return spec["volumes"]?.some(
    ({ name, emptyDir }: { name: string; emptyDir?: object }) =>
      name === mount?.name && emptyDir !== undefined,
  );
}

function findTokenFaults({ name, spec }: Workload, tellingAccounts: Set<string>): string[] {
  const isMounted = spec["automountServiceAccountToken"] !== false;
  const isUsed = tellingAccounts.has(spec["serviceAccountName"]);
  return isMounted === isUsed ? [] : [`${name}: ${isUsed ? "lacks" : "holds"} a token for the cluster`];
}

function findBoundFaults({ isJob, spec }: Workload, container: Container): string[] {
  const { requests = {}, limits = {} } = container["resources"] ?? {};
  const rules: [boolean, string][] = [
    [requests.cpu !== undefined && requests.memory !== undefined, "asks for no cpu or memory"],
    [limits.memory !== undefined, "has no limit of memory"],
    [spec["enableServiceLinks"] === false, "is given variables for every Service"],
    ...(["startupProbe", "livenessProbe", "readinessProbe"] as const).map((probe): [boolean, string] => [
      isJob || container[probe] !== undefined,
      `has no ${probe}`,
    ]),
  ];
  return rules.filter(([isKept]) => !isKept).map(([, fault]) => fault);
}

/** From SIGTERM on a worker takes its drain, and then writes what is left. */
function findDrainFaults(workload: Workload, env: Record<string, string | undefined>): string[] {
  if (!isOwn(workload) || workload.labels["app.kubernetes.io/component"] !== "worker") return [];
  return graceMsOf(workload) > durationMs(env["WORKER_DRAIN"]) ? [] : ["is killed before its drain is over"];
}
