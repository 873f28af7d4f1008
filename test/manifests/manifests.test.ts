/** Every build, as the real kustomize renders it, is what the schemas and our own rules ask for. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, test } from "node:test";
import { parse } from "yaml";
import { BUILDS, MANIFESTS, type Manifest, renderAll } from "./render.ts";
import { findPodFaults } from "./rules/pods.ts";
import { findReferenceFaults } from "./rules/references.ts";
import { findScalerFaults } from "./rules/scalers.ts";
import { findSecretFaults } from "./rules/secrets.ts";
import { findSchemaFaults } from "./schema-check.ts";
import { listWorkloads } from "./workloads.ts";

const builds = await renderAll();
const skip = "skip" in builds ? builds.skip : false;
const manifestsOf = (build: string): Manifest[] => ("skip" in builds ? [] : builds.get(build)!);

const { version } = JSON.parse(await readFile(join(MANIFESTS, "..", "package.json"), "utf8"));
/** What the operator makes by hand, as the guide says it. */
const guide = await readFile(join(MANIFESTS, "README.md"), "utf8");
const OUTSIDE_SECRET = {
  name: "bellhop-secrets",
  keys: [...guide.matchAll(/--from-literal=([A-Z_]+)=/g)].map(([, key]) => key!),
};
const findSchemaFaultsOf = async (manifests: readonly Manifest[]) =>
  (await Promise.all(manifests.map(findSchemaFaults))).flat();

test("every folder that can be built is", async () => {
  const overlays = await readdir(join(MANIFESTS, "overlays"));
  assert.deepEqual([...BUILDS].sort(), ["base", ...overlays.map((name) => `overlays/${name}`)].sort());
});

for (const build of BUILDS) {
  describe(`manifests/${build}`, { skip }, () => {
    const manifests = manifestsOf(build);
    const outside = build === "overlays/dev" ? { name: "", keys: [] } : OUTSIDE_SECRET;

    it("is valid by the official schemas, and no field is unknown to them", async () => {
      assert.deepEqual(await findSchemaFaultsOf(manifests), []);
    });
    it("runs pods within the restricted profile, bounded, probed, without tokens they do not use", () => {
      assert.deepEqual(findPodFaults(manifests), []);
    });
    it("names nothing that is not there", () => {
      assert.deepEqual(findReferenceFaults(manifests, outside), []);
    });
    it("holds no secret", () => {
      assert.deepEqual(findSecretFaults(manifests, build === "overlays/dev"), []);
    });
    it("scales by the names and figures that the code uses", async () => {
      assert.deepEqual(await findScalerFaults(manifests), []);
    });
    it("runs one image of Bellhop, and others by a fixed tag", () => {
      const images = listWorkloads(manifests).flatMap(({ spec }) =>
        spec.containers.map(({ image }) => image),
      );
      assert.deepEqual(
        [...new Set(images.filter((image) => /^bellhop\b/.test(image)))],
        [`bellhop:${version}`],
      );
      for (const image of images) assert.match(image, /:v?\d[\w.-]*$/);
    });
    it("marks every object as a part of Bellhop", () => {
      for (const { metadata } of manifests)
        assert.equal(metadata.labels?.["app.kubernetes.io/part-of"], "bellhop", metadata.name);
    });
  });
}

test("overlays/dev runs what docker-compose.yml runs beside Bellhop", { skip }, async () => {
  const { services } = parse(await readFile(join(MANIFESTS, "..", "docker-compose.yml"), "utf8"), {
    merge: true,
  });
  const images = listWorkloads(manifestsOf("overlays/dev")).map(({ spec }) => spec.containers[0]!.image);
  const others = [...new Set(images)].filter((image) => !image.startsWith("bellhop:"));
  const compose = ["kafka", "mailpit", "postgres"].map((name) => services[name].image as string);
  assert.deepEqual(others.sort(), compose.sort());
});

/** A build with one thing wrong. */
function broken(build: string, kind: string, name: string, spoil: (manifest: Manifest) => void): Manifest[] {
  const manifests = structuredClone(manifestsOf(build));
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  assert.ok(found, `there is a ${kind} ${name} to be broken`);
  spoil(found);
  return manifests;
}

describe("what is wrong is found", { skip }, () => {
  const firstContainer = (manifest: Manifest) => manifest["spec"].template.spec.containers[0];

  it("a typo in a field, wherever it stands", async () => {
    const spoilt: [string, string, string, (manifest: Manifest) => void, string][] = [
      ["base", "Deployment", "api", (m) => (m["spec"].replica = 3), "spec.replica"],
      ["base", "Deployment", "api", (m) => (firstContainer(m).envfrom = []), "containers.0.envfrom"],
      ["base", "NetworkPolicy", "to-dns", (m) => (m["spec"].egress[0].port = []), "spec.egress.0.port"],
      [
        "overlays/keda",
        "ScaledObject",
        "worker",
        (m) => (m["spec"].coolDownPeriod = 1),
        "spec.coolDownPeriod",
      ],
      ["overlays/knative", "KafkaSource", "runs", (m) => (m["spec"].consumergroup = "a"), "consumergroup"],
    ];
    for (const [build, kind, name, spoil, field] of spoilt) {
      const faults = await findSchemaFaultsOf(broken(build, kind, name, spoil));
      assert.equal(faults.length, 1, `${kind}: ${faults}`);
      assert.ok(faults[0]!.includes(field), faults[0]);
    }
    const knative = manifestsOf("overlays/knative").find(
      (each) => each.apiVersion === "serving.knative.dev/v1",
    )!;
    const service = structuredClone(knative);
    service["spec"].template.spec.containerconcurrency = 1;
    assert.match((await findSchemaFaults(service)).join(), /containerconcurrency/);
  });

  it("a value of the wrong type, a missing field, an API version that is gone", async () => {
    const faultsOf = (spoil: (manifest: Manifest) => void) =>
      findSchemaFaultsOf(broken("base", "HorizontalPodAutoscaler", "api", spoil));
    assert.match(
      (await faultsOf((m) => (m["spec"].maxReplicas = "6"))).join(),
      /maxReplicas must be integer/,
    );
    assert.match((await faultsOf((m) => delete m["spec"].scaleTargetRef)).join(), /scaleTargetRef/);
    assert.match(
      (await faultsOf((m) => (m.apiVersion = "autoscaling/v2beta2"))).join(),
      /there is no stable/,
    );
  });

  it("a wrong topic, group, broker, threshold or address in what scales", async () => {
    const spoilt: [string, string, string, (manifest: Manifest) => void, RegExp][] = [
      [
        "keda",
        "ScaledObject",
        "worker",
        (m) => (triggerOf(m, 0).topic = "bellhop.run"),
        /consume bellhop.runs/,
      ],
      ["keda", "ScaledObject", "worker", (m) => (triggerOf(m, 0).consumerGroup = "x"), /are bellhop.workers/],
      ["keda", "ScaledObject", "worker", (m) => (triggerOf(m, 0).bootstrapServers = "x:1"), /other brokers/],
      ["keda", "ScaledObject", "worker", (m) => (triggerOf(m, 0).lagThreshold = "101"), /fewer slots/],
      ["keda", "ScaledObject", "worker", (m) => (triggerOf(m, 0).lagTreshold = "1"), /no field lagTreshold/],
      [
        "keda",
        "ScaledObject",
        "worker",
        (m) => (triggerOf(m, 1).url = "http://a.b:8081/demand"),
        /no Service/,
      ],
      ["keda", "ScaledObject", "worker", (m) => (triggerOf(m, 1).valueLocation = "want"), /no field want/],
      [
        "keda",
        "ScaledObject",
        "worker",
        (m) => (triggerOf(m, 1).targetValue = "101"),
        /fewer slots than target/,
      ],
      [
        "knative-keda",
        "ScaledObject",
        "worker-long",
        (m) => (triggerOf(m, 1).valueLocation = "demand"),
        /what its workers have is busyLongSlots/,
      ],
      ["keda", "ScaledObject", "worker", (m) => m["spec"].triggers.pop(), /has no trigger metrics-api/],
      [
        "knative-keda",
        "ScaledObject",
        "worker-long",
        (m) => (triggerOf(m, 0).topic = "bellhop.runs"),
        /long-runs/,
      ],
      ["knative", "KafkaSource", "runs", (m) => (m["spec"].topics = ["runs"]), /bells stand in bellhop.runs/],
      [
        "knative",
        "KafkaSink",
        "undelivered",
        (m) => (m["spec"].topic = "bellhop.runs"),
        /a topic of the runs/,
      ],
    ];
    for (const [overlay, kind, name, spoil, fault] of spoilt) {
      const faults = await findScalerFaults(broken(`overlays/${overlay}`, kind, name, spoil));
      assert.match(faults.join("\n"), fault);
    }
  });

  it("a pod outside of the profile, without bounds, or with a token", () => {
    const faultsOf = (spoil: (container: ReturnType<typeof firstContainer>, manifest: Manifest) => void) =>
      findPodFaults(broken("base", "Deployment", "worker", (m) => spoil(firstContainer(m), m))).join("\n");
    assert.match(
      faultsOf((c) => (c.securityContext.allowPrivilegeEscalation = true)),
      /may gain privileges/,
    );
    assert.match(
      faultsOf((c) => (c.securityContext.capabilities = {})),
      /keeps capabilities/,
    );
    assert.match(
      faultsOf((c) => (c.securityContext.readOnlyRootFilesystem = false)),
      /write to its root/,
    );
    assert.match(
      faultsOf((c) => (c.securityContext.runAsNonRoot = false)),
      /may run as root/,
    );
    assert.match(
      faultsOf((c) => delete c.readinessProbe),
      /has no readinessProbe/,
    );
    assert.match(
      faultsOf((c) => delete c.resources.limits),
      /no limit of memory/,
    );
    const podOf = (m: Manifest) => m["spec"].template.spec;
    assert.match(
      faultsOf((_, m) => (podOf(m).automountServiceAccountToken = true)),
      /holds a token/,
    );
    assert.match(
      faultsOf((_, m) => (podOf(m).terminationGracePeriodSeconds = 25)),
      /before its drain/,
    );
    assert.match(
      faultsOf((_, m) => podOf(m).volumes.push({ name: "x", hostPath: {} })),
      /forbids hostPath/,
    );
  });

  it("a name that leads nowhere, and a secret in plain text", () => {
    const faultsOf = (kind: string, name: string, spoil: (manifest: Manifest) => void) =>
      findReferenceFaults(broken("base", kind, name, spoil), OUTSIDE_SECRET).join("\n");
    assert.match(
      faultsOf("Service", "api", (m) => (m["spec"].ports[0].targetPort = "htp")),
      /no port htp/,
    );
    assert.match(
      faultsOf("Service", "api", (m) => (m["spec"].selector = { a: "b" })),
      /selects no pod/,
    );
    assert.match(
      faultsOf("Deployment", "api", (m) => (m["spec"].selector.matchLabels = { a: "b" })),
      /its own pods/,
    );
    const envOf = (m: Manifest) => firstContainer(m).env[0];
    assert.match(
      faultsOf("Deployment", "api", (m) => (envOf(m).valueFrom.secretKeyRef.key = "X")),
      /no X in/,
    );
    const plain = broken("base", "Deployment", "api", (m) =>
      firstContainer(m).env.push({ name: "API_TOKEN", value: "x" }),
    );
    assert.match(findSecretFaults(plain, false).join(), /API_TOKEN stands in plain text/);
  });
});

function triggerOf(manifest: Manifest, index: number): Record<string, string> {
  return manifest["spec"].triggers[index].metadata;
}
