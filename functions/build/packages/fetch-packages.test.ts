import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { FETCH_LIMITS, fetchPackages, PackageFault, RegistryUnavailable } from "./fetch-packages.ts";
import type { LockedPackage } from "./locked-packages.ts";
import { startLocalRegistry } from "./testing/local-registry.ts";

const registry = await startLocalRegistry();
after(() => registry.close());

async function publish(name: string, files: Record<string, string>): Promise<LockedPackage> {
  const { entry } = await registry.publish(name, files);
  return { path: `node_modules/${name}`, url: entry.resolved, integrity: entry.integrity };
}
const random = (length: number) => Array.from({ length }, () => Math.random().toString(36)).join("");

describe("packages are fetched", () => {
  test("with all their sources, below their places, more than are fetched at once", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `many-${i}`);
    const packages = await Promise.all(names.map((name) => publish(name, { "lib/a.js": name, "b.css": "" })));
    const files = await fetchPackages(packages);
    assert.equal(files.size, 40);
    assert.equal(Buffer.from(files.get("node_modules/many-19/lib/a.js")!).toString(), "many-19");
  });

  test("within a time; who has none left is told that it was the registry", async () => {
    const silent = await publish("silent", {});
    registry.answer(new URL(silent.url).pathname, () => {});
    await assert.rejects(fetchPackages([silent], { ...FETCH_LIMITS, wallMs: 1 }), (error: Error) => {
      assert.ok(error instanceof RegistryUnavailable, String(error));
      assert.match(error.message, /takes too long \(node_modules\/silent\)/);
      return true;
    });
  });

  test("of so many bytes, all together, however long they go on", async () => {
    const endless = await publish("endless", {});
    registry.answer(new URL(endless.url).pathname, (response) => {
      const send = () => {
        while (response.write("x".repeat(10_000)) && !response.destroyed);
      };
      response.on("drain", send);
      send();
    });
    const tooLarge = (error: Error) =>
      error instanceof PackageFault && /too large to be fetched/.test(error.message);
    await assert.rejects(fetchPackages([endless], { ...FETCH_LIMITS, packedBytes: 100_000 }), tooLarge);
    const one = await publish("one-half", { "a.js": random(1_000) });
    const other = await publish("other-half", { "a.js": random(1_000) });
    await fetchPackages([one], { ...FETCH_LIMITS, packedBytes: 10_000 });
    await assert.rejects(fetchPackages([one, other], { ...FETCH_LIMITS, packedBytes: 10_000 }), tooLarge);
    await assert.rejects(
      fetchPackages([one, other], { ...FETCH_LIMITS, unpackedBytes: 20_000 }),
      (error: Error) => error instanceof PackageFault && /unpacks to more/.test(error.message),
    );
  });
});
