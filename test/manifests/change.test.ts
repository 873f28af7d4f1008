/** What the guide says to change is changed in one place, and the rest follows. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { provideKustomize } from "../tools/kustomize.ts";
import { MANIFESTS, type Manifest, parseManifests } from "./render.ts";
import { findScalerFaults, findSettings } from "./rules/scalers.ts";
import { isOwn, listWorkloads } from "./workloads.ts";

const kustomize = await provideKustomize();
const skip = "skip" in kustomize ? kustomize.skip : false;

async function copyManifests(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-test-manifests-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(MANIFESTS, join(folder, "manifests"), { recursive: true });
  return folder;
}

async function build(folder: string): Promise<Manifest[]> {
  assert.ok("build" in kustomize);
  return parseManifests(await kustomize.build(folder));
}

describe("changing the manifests", { skip }, () => {
  it("brokers and prefix are followed by what scales, and the settings' name by every pod", async (t) => {
    const folder = await copyManifests(t);
    const base = join(folder, "manifests", "base", "kustomization.yaml");
    const settings = await readFile(base, "utf8");
    const changed = settings
      .replace("KAFKA_BROKERS=kafka.kafka.svc:9092", "KAFKA_BROKERS=a.example:9092,b.example:9092")
      .replace("KAFKA_TOPIC_PREFIX=bellhop", "KAFKA_TOPIC_PREFIX=errands");
    await writeFile(base, changed);
    for (const overlay of ["keda", "knative", "knative-keda"]) {
      const manifests = await build(join(folder, "manifests", "overlays", overlay));
      assert.equal(findSettings(manifests)["KAFKA_TOPIC_PREFIX"], "errands");
      assert.deepEqual(await findScalerFaults(manifests), [], overlay);
      const [map] = manifests.filter(({ kind }) => kind === "ConfigMap");
      for (const { name, spec } of listWorkloads(manifests).filter(({ isJob }) => !isJob))
        assert.equal(spec.containers[0]!.envFrom?.[0]?.configMapRef?.name, map!.metadata.name, name);
    }
  });

  it("an overlay of one's own names another image for all", async (t) => {
    const folder = await copyManifests(t);
    for (const overlay of ["keda", "knative", "knative-keda", "dev"]) {
      const mine = join(folder, "mine", overlay);
      await mkdir(mine, { recursive: true });
      await writeFile(
        join(mine, "kustomization.yaml"),
        `resources: [../../manifests/overlays/${overlay}]
images: [{ name: bellhop, newName: registry.example/bellhop, newTag: "7" }]
`,
      );
      const workloads = listWorkloads(await build(mine));
      assert.equal(workloads.filter(isOwn).length, 0, overlay);
      const images = workloads.map(({ spec }) => spec.containers[0]!.image);
      assert.ok(images.filter((image) => image === "registry.example/bellhop:7").length >= 4, overlay);
    }
  });
});
