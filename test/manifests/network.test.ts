/** Who reaches whom, by the NetworkPolicies of every build. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAddressAllowed } from "../../core/egress/address-policy.ts";
import { BUILDS, type Manifest, renderAll } from "./render.ts";
import { isAllowed, type Peer, policiesOf } from "./rules/network.ts";
import { listWorkloads, type Workload } from "./workloads.ts";

const builds = await renderAll();
const skip = "skip" in builds ? builds.skip : false;
const manifestsOf = (build: string): Manifest[] => ("skip" in builds ? [] : builds.get(build)!);

const POD_IP = "10.244.1.7";
const inNamespace = (
  name: string,
  labels: Record<string, string> = {},
  pod: Record<string, string> = {},
): Peer => ({
  ip: POD_IP,
  namespace: { "kubernetes.io/metadata.name": name, ...labels },
  pod,
});
const ofComponent = (component: string) =>
  inNamespace("bellhop", {}, { "app.kubernetes.io/component": component });
const DATABASES = inNamespace("databases", { "bellhop-postgres": "true" });
const BROKERS = inNamespace("kafka", { "bellhop-kafka": "true" });
const DNS = inNamespace("kube-system", {}, { "k8s-app": "kube-dns" });
const API_SERVER: Peer = { ip: "10.96.0.1" };
const PROMETHEUS = inNamespace(
  "monitoring",
  { "bellhop-scrape": "true" },
  { "app.kubernetes.io/name": "prometheus" },
);

/** First and last of each range that is nobody's to call, and its neighbours. */
const EDGES = [
  ...["0.0.0.0", "0.255.255.255", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"],
  ...["100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0", "127.0.0.1", "168.63.129.16"],
  ...["169.253.255.255", "169.254.169.254", "169.255.0.0", "172.15.255.255", "172.16.0.0", "172.31.255.255"],
  ...[
    "172.32.0.0",
    "192.0.0.1",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.167.255.255",
  ],
  ...["192.168.0.0", "192.168.255.255", "192.169.0.0", "192.175.48.1", "198.17.255.255", "198.18.0.0"],
  ...["198.19.255.255", "198.20.0.0", "198.51.100.1", "203.0.113.1", "223.255.255.255", "224.0.0.0"],
  ...["239.255.255.255", "240.0.0.1", "255.255.255.255", "8.8.8.8", "1.1.1.1", "93.184.216.34"],
  ...[
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
  ],
  ...[
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:0:4136:e378::1",
    "2001:2::1",
    "2001:20::1",
    "2001:db8::1",
    "4000::1",
  ],
  ...[
    "2002:a00:1::1",
    "3fff::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2620:4f:8000::1",
    "2620:4f:8001::1",
  ],
];

/** Addresses of both families, the same in each run. */
function* sampleAddresses(count: number): Generator<string> {
  let seed = 1;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let made = 0; made < count; made += 1) {
    yield Array.from({ length: 4 }, () => next(256)).join(".");
    yield [0x2000 + next(0x2000), ...Array.from({ length: 7 }, () => next(0x10000))]
      .map((part) => part.toString(16))
      .join(":");
  }
}

const ownWorkloads = (build: string): Workload[] =>
  listWorkloads(manifestsOf(build)).filter(({ labels }) =>
    ["api", "scheduler", "worker", "migrate"].includes(labels["app.kubernetes.io/component"]!),
  );
const workersOf = (build: string) =>
  ownWorkloads(build).filter(({ labels }) => labels["app.kubernetes.io/component"] === "worker");

for (const build of BUILDS) {
  describe(`manifests/${build}: the network`, { skip }, () => {
    const manifests = manifestsOf(build);
    const mayCall = ({ labels }: Workload, to: Peer, port: number, protocol?: string) =>
      isAllowed(manifests, "Egress", labels, to, port, protocol);
    const mayBeCalled = ({ labels }: Workload, from: Peer, port: number) =>
      isAllowed(manifests, "Ingress", labels, from, port);

    it("is closed to every pod in both directions but for what a policy opens", () => {
      for (const { name, labels } of listWorkloads(manifests)) {
        for (const direction of ["Ingress", "Egress"] as const)
          assert.ok(policiesOf(manifests, direction, labels).length > 0, `${name}: ${direction}`);
      }
    });

    it("lets every role find names and the database, and all but the migration Kafka", () => {
      for (const workload of ownWorkloads(build)) {
        assert.ok(mayCall(workload, DNS, 53, "UDP"), workload.name);
        assert.ok(mayCall(workload, DATABASES, 5432), workload.name);
        const isMigration = workload.name === "Job migrate";
        assert.equal(mayCall(workload, BROKERS, 9092), !isMigration, workload.name);
      }
    });

    it("gives workers no way to the cluster's own network beyond that", () => {
      const forbidden: [Peer, number][] = [
        [API_SERVER, 443],
        [inNamespace("kube-system"), 443],
        [inNamespace("default"), 80],
        [DATABASES, 22],
        [BROKERS, 5432],
        [inNamespace("others"), 5432],
        [{ ip: "169.254.169.254" }, 80],
        [{ ip: "10.0.0.5" }, 10250],
        [ofComponent("api"), 8080],
        [ofComponent("scheduler"), 8081],
        [ofComponent("worker"), 8082],
      ];
      for (const worker of workersOf(build)) {
        for (const [peer, port] of forbidden)
          assert.ok(!mayCall(worker, peer, port), `${worker.name} calls ${JSON.stringify(peer)}:${port}`);
      }
    });

    it("lets workers call the addresses that the egress guard allows, and no other", () => {
      for (const worker of workersOf(build)) {
        for (const ip of [...EDGES, ...sampleAddresses(200)]) {
          assert.equal(
            mayCall(worker, { ip }, 443),
            isAddressAllowed(ip, { allow: [], deny: [] }),
            `${worker.name}: ${ip}`,
          );
        }
      }
    });

    it("lets the API alone hand calls to workers", () => {
      const [api] = ownWorkloads(build).filter(({ name }) => name === "Deployment api");
      assert.ok(mayCall(api!, ofComponent("worker"), 8082));
      assert.ok(!mayCall(api!, { ip: "8.8.8.8" }, 443));
      assert.ok(mayBeCalled(api!, { ip: "198.51.100.7" }, 8080), "the edge is open");
      for (const worker of workersOf(build)) {
        assert.ok(mayBeCalled(worker, ofComponent("api"), 8082), worker.name);
        for (const other of [ofComponent("scheduler"), inNamespace("default"), { ip: "198.51.100.7" }])
          assert.ok(!mayBeCalled(worker, other, 8082), worker.name);
      }
    });

    it("lets Prometheus scrape, where its namespace is labelled", () => {
      for (const workload of ownWorkloads(build).filter(({ isJob }) => !isJob)) {
        const port = workload.spec.containers[0]!.ports![0]!.containerPort;
        assert.ok(mayBeCalled(workload, PROMETHEUS, port), workload.name);
        const unlabelled = { ...PROMETHEUS, namespace: { "kubernetes.io/metadata.name": "monitoring" } };
        if (port !== 8080) assert.ok(!mayBeCalled(workload, unlabelled, port), workload.name);
      }
    });
  });
}

describe("the network of what scales", { skip }, () => {
  const schedulerOf = (build: string) =>
    ownWorkloads(build).find(({ name }) => name === "Deployment scheduler")!;

  it("KEDA reaches a scheduler where it asks for the demand, and nowhere else", () => {
    for (const build of BUILDS) {
      const isAllowedHere = isAllowed(
        manifestsOf(build),
        "Ingress",
        schedulerOf(build).labels,
        inNamespace("keda"),
        8081,
      );
      assert.equal(isAllowedHere, build.includes("keda"), build);
    }
  });

  it("the scheduler that marks pods reaches the API server; the others do not", () => {
    for (const build of BUILDS) {
      const { labels, spec } = schedulerOf(build);
      const marks =
        spec.containers[0]!.env?.some(({ name }) => name === "WORKERS_POD_DELETION_COST") ?? false;
      assert.equal(isAllowed(manifestsOf(build), "Egress", labels, API_SERVER, 443), marks, build);
      assert.equal(spec["automountServiceAccountToken"], marks, build);
    }
  });

  it("Knative reaches the proxy of its own pods only", () => {
    const activator = inNamespace("knative-serving", {}, { app: "activator" });
    for (const { labels, name, isKnative } of workersOf("overlays/knative"))
      assert.equal(
        isAllowed(manifestsOf("overlays/knative"), "Ingress", labels, activator, 8012),
        isKnative,
        name,
      );
  });
});
