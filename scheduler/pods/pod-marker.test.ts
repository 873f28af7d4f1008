/** The marker against an API server of its own, over TLS, with a mounted token. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { rootCertificates } from "node:tls";
import { createLogger } from "../../core/telemetry/log.ts";
import { LOOPBACK_CERTIFICATE, LOOPBACK_KEY } from "../../test/support/fixtures/loopback-tls.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import type { PodWorker } from "./deletion-cost.ts";
import { openPodApi, type PodApi } from "./pod-api.ts";
import { startPodMarker } from "./pod-marker.ts";

interface Patch {
  path: string;
  authorization: string | undefined;
  type: string | undefined;
  body: unknown;
}

async function startApiServer(t: TestContext, answer: (path: string) => number = () => 200) {
  const patches = createRecording<Patch>("patch");
  const server = createServer(
    { key: LOOPBACK_KEY, cert: LOOPBACK_CERTIFICATE },
    async (request, response) => {
      const body = JSON.parse(Buffer.concat(await request.toArray()).toString()) as unknown;
      const { authorization, "content-type": type } = request.headers;
      const path = `${request.method} ${request.url}`;
      patches.add({ path, authorization, type, body });
      response.writeHead(answer(path), { "content-type": "application/json" }).end("{}");
    },
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(port) };
  return { env, patches };
}

async function mountServiceAccount(t: TestContext, token = "first-token"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-test-account-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "token"), token);
  await writeFile(join(folder, "namespace"), "errands\n");
  await writeFile(join(folder, "ca.crt"), LOOPBACK_CERTIFICATE);
  return folder;
}

function startMarker(t: TestContext, openApi: () => Promise<PodApi>, workers: () => PodWorker[]) {
  const clock = createManualClock();
  const warnings: unknown[] = [];
  const log = {
    ...createLogger("scheduler", "silent"),
    warn: (fields: { error: unknown }) => void warnings.push(fields.error),
  } as ReturnType<typeof createLogger>;
  const marker = startPodMarker({ listWorkers: async () => workers(), openApi, clock, log });
  t.after(() => marker.stop());
  return { clock, warnings, marker };
}

const worker = (host: string, busy: number): PodWorker => ({ host, slots: 10, free: 10 - busy });

test("pods are patched with their cost, once for each change, with the token as it stands", async (t) => {
  const { env, patches } = await startApiServer(t);
  const folder = await mountServiceAccount(t);
  let workers = [worker("worker-a", 0), worker("worker-b", 3)];
  const { clock, warnings } = startMarker(
    t,
    () => openPodApi(env, folder),
    () => workers,
  );
  await clock.waitForSleepers(1);
  const patch = (pod: string, cost: string, token: string): Patch => ({
    path: `PATCH /api/v1/namespaces/errands/pods/${pod}`,
    authorization: `Bearer ${token}`,
    type: "application/merge-patch+json",
    body: { metadata: { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } } },
  });
  assert.deepEqual(patches.items, [
    patch("worker-a", "0", "first-token"),
    patch("worker-b", "2", "first-token"),
  ]);

  await writeFile(join(folder, "token"), "second-token");
  workers = [worker("worker-a", 1), worker("worker-b", 2)];
  await clock.advance(5_000);
  await clock.waitForSleepers(1);
  assert.deepEqual(patches.items.slice(2), [patch("worker-a", "1", "second-token")]);
  assert.deepEqual(warnings, []);
});

test("a worker that is no pod of the namespace is asked about once", async (t) => {
  const { env, patches } = await startApiServer(t, () => 404);
  const folder = await mountServiceAccount(t);
  const { clock, warnings } = startMarker(
    t,
    () => openPodApi(env, folder),
    () => [worker("elsewhere", 1)],
  );
  await clock.waitForSleepers(1);
  await clock.advance(5_000);
  await clock.waitForSleepers(1);
  assert.equal(patches.items.length, 1);
  assert.deepEqual(warnings, []);
});

test("a refusal is told without the token, and tried again after a minute", async (t) => {
  let status = 403;
  const { env, patches } = await startApiServer(t, () => status);
  const folder = await mountServiceAccount(t, "a-secret-token");
  const { clock, warnings } = startMarker(
    t,
    () => openPodApi(env, folder),
    () => [worker("worker-a", 1)],
  );
  await clock.waitForSleepers(1);
  assert.match(String(warnings[0]), /answered 403; may the service account patch pods\?/);
  assert.doesNotMatch(JSON.stringify(warnings, Object.getOwnPropertyNames(warnings[0])), /a-secret-token/);
  status = 200;
  await clock.advance(60_000);
  await clock.waitForSleepers(1);
  assert.equal(patches.items.length, 2);
  assert.equal(warnings.length, 1);
});

test("outside of a cluster it says so, and goes on", async (t) => {
  const { clock, warnings, marker } = startMarker(
    t,
    () => openPodApi({}),
    () => [worker("worker-a", 1)],
  );
  await clock.waitForSleepers(1);
  assert.match(String(warnings[0]), /This is not a pod/);
  await marker.stop();
});

test("a pod without a token is told what it lacks", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-test-account-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await assert.rejects(openPodApi({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, folder), /must mount the token/);
});

test("a server that the cluster's authority does not vouch for gets no token", async (t) => {
  const { env, patches } = await startApiServer(t);
  const folder = await mountServiceAccount(t);
  await writeFile(join(folder, "ca.crt"), rootCertificates[0]!);
  const api = await openPodApi(env, folder);
  t.after(() => api.close());
  await assert.rejects(api.annotate("worker-a", {}), /certificate/);
  assert.equal(patches.items.length, 0);
  await writeFile(join(folder, "ca.crt"), "");
  await assert.rejects(openPodApi(env, folder), /There is no ca.crt/);
});
