/** Roles that start before their database, or against one that they cannot use. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../standalone/embedded-postgres.ts";
import { freePorts } from "../support/free-ports.ts";
import { guardProcess } from "../support/process-guard.ts";
import { PATIENT_STOP_MS, startProcess } from "../support/processes.ts";

const ROLES = {
  api: "api/main.ts",
  scheduler: "scheduler/main.ts",
  worker: "runtime/main.ts",
  autoscaler: "runtime/autoscaler/main.ts",
} as const;
const NAMES = Object.keys(ROLES) as (keyof typeof ROLES)[];

const folder = await mkdtemp(join(tmpdir(), "bellhop-start-"));
let server: EmbeddedPostgres | undefined;
const [port, ...rolePorts] = await freePorts(1 + NAMES.length);
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

async function startServer(): Promise<EmbeddedPostgres> {
  const settings = { fsync: "off", shared_buffers: "16MB", autovacuum: "off" };
  server = await startEmbeddedPostgres({ dataDir: join(folder, "data"), port: port!, settings });
  guardProcess(server.pid, { signal: "SIGQUIT" });
  return server;
}

const databaseUrl = (await startServer()).url;
await server!.stop();

function startRole(name: keyof typeof ROLES, url = databaseUrl, rolePort = 0) {
  const env = { DATABASE_URL: url, PORT: String(rolePort), HOST: "127.0.0.1", WORKERS_MAX: "1" };
  return startProcess(ROLES[name], { env });
}

async function probe(rolePort: number, path: string) {
  const response = await fetch(`http://127.0.0.1:${rolePort}${path}`, {
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

describe("a role without its database", { timeout: 600_000 }, () => {
  it("waits, says what for, is alive and not ready, and starts when the database is there", async () => {
    const roles = NAMES.map((name, index) => ({
      ...{ name, port: rolePorts[index]! },
      process: startRole(name, databaseUrl, rolePorts[index]),
    }));
    for (const role of roles) {
      await role.process.waitForLine(/waiting for the database/);
      assert.equal((await probe(role.port, "/healthz")).status, 200, role.name);
      const ready = await probe(role.port, "/readyz");
      assert.equal(ready.status, 503, role.name);
      assert.match(ready.body, /ECONNREFUSED/, role.name);
      const other = await probe(role.port, "/v1/tasks");
      assert.equal(other.status, 503, role.name);
      assert.match(other.body, /"code":"database_unavailable"/, role.name);
      assert.ok(Number(other.headers.get("retry-after")) > 0, role.name);
    }
    await startServer();
    for (const role of roles) {
      await role.process.waitForLine(new RegExp(`"msg":"${role.name} started"`));
      await until(async () => ((await probe(role.port, "/readyz")).status === 200 ? true : undefined));
      const waits = role.process.logs.filter(({ msg }) => msg === "waiting for the database");
      const reasons = waits.map(({ error }) => error);
      assert.ok(
        reasons.every((reason, index) => reason !== reasons[index - 1]),
        `${role.name} says each reason once: ${reasons.join("; ")}`,
      );
      await role.process.waitForLine(/"msg":"the database answers"/);
    }
    for (const role of roles) {
      await role.process.stop(PATIENT_STOP_MS);
      assert.deepEqual(await role.process.exited, { code: 0, signal: null }, role.name);
    }
  });

  it("stops cleanly while it waits", async () => {
    await server!.stop();
    for (const name of NAMES) {
      const role = startRole(name);
      await role.waitForLine(/waiting for the database/);
      role.signal("SIGTERM");
      assert.deepEqual(await role.exited, { code: 0, signal: null }, role.lines.join("\n"));
    }
  });

  it("stops cleanly while the server hangs", async (t) => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    t.after(() => silent.close());
    const url = Object.assign(new URL(databaseUrl), { port: (silent.address() as AddressInfo).port }).href;
    const connected = once(silent, "connection");
    const role = startRole("api", url);
    await connected;
    const askedMs = performance.now();
    role.signal("SIGTERM");
    assert.deepEqual(await role.exited, { code: 0, signal: null }, role.lines.join("\n"));
    assert.ok(performance.now() - askedMs < 9_500, "before the connect was given up");
  });

  it("ends with a sentence where no waiting helps", async () => {
    await startServer();
    const url = (change: object) => Object.assign(new URL(databaseUrl), change).href;
    for (const [given, sentence] of [
      [url({ password: "wrong" }), /password authentication failed.*Correct the user or the password/],
      [url({ pathname: "/nowhere" }), /database "nowhere" does not exist.*Create that database/],
    ] as const) {
      const role = startRole("scheduler", given);
      assert.deepEqual(await role.exited, { code: 1, signal: null });
      assert.match(role.errorLines.at(-1)!, sentence);
    }
  });
});
