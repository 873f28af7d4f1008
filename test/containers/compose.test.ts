/** Rules of docker-compose.yml that need no container engine; containers.test.ts runs its services. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ROLE_PORTS } from "../../scripts/check-health.ts";
import { type Project, provideComposeLoader, type Service } from "../tools/compose.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const FILE = "docker-compose.yml";
const OWN = ["migrate", "api", "scheduler", "autoscaler"];
const SECRETS = {
  POSTGRES_PASSWORD: "p",
  BELLHOP_API_KEY: "k",
  BELLHOP_SECRETS_KEY: "s",
  GRAFANA_PASSWORD: "g",
};
/** Of docs/operations.md, "PostgreSQL": at most, for each process. */
const CONNECTIONS = readConnections(readFileSync(join(ROOT, "docs/operations.md"), "utf8"));

function readConnections(docs: string): Record<string, number> {
  const rows = docs.matchAll(/^\| (api|scheduler|worker|autoscaler) \|(?: \d+ \|){3} (\d+) \|$/gm);
  return Object.fromEntries([...rows].map(([, role, inAll]) => [role, Number(inAll)]));
}

const compose = await provideComposeLoader();
const loader = "skip" in compose ? undefined : compose;

describe("docker-compose.yml", { skip: "skip" in compose ? compose.skip : false }, () => {
  let project: Project;
  let services: [name: string, service: Service][];
  let elsewhere: string;

  before(async () => {
    project = await loader!.load(ROOT, [FILE], SECRETS);
    services = Object.entries(project.services);
    elsewhere = mkdtempSync(join(tmpdir(), "bellhop-compose-"));
    copyFileSync(join(ROOT, FILE), join(elsewhere, FILE));
  });

  after(() => rmSync(elsewhere, { recursive: true, force: true }));

  it("without .env says which secrets are missing and where it is told how to make them", async () => {
    await assert.rejects(loader!.load(elsewhere, [FILE]), (error: Error) => {
      for (const name of Object.keys(SECRETS)) assert.ok(error.message.includes(name), name);
      return /Make \.env first, README\.md "With Docker" says how/.test(error.message);
    });
  });

  it("is satisfied by the .env that the README's quick start makes, each time with other secrets", async () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const script = /## With Docker\n[^#]*?```sh\n(cat > \.env [\s\S]*?\nENV)\n/.exec(readme)?.[1];
    assert.ok(script, "the README's section With Docker makes .env");
    const made = [0, 1].map(() => {
      execFileSync("sh", ["-ec", `umask 022\n${script}`], { cwd: elsewhere });
      return readFileSync(join(elsewhere, ".env"), "utf8");
    });
    for (const name of Object.keys(SECRETS)) {
      const values = made.map((text) => new RegExp(`^${name}=(.{20,})$`, "m").exec(text)?.[1]);
      assert.ok(values[0] && values[0] !== values[1], name);
    }
    const { services: loaded } = await loader!.load(elsewhere, [FILE]);
    assert.match(loaded["api"]!.environment!["BELLHOP_API_KEY"]!, /^bh_/);
  });

  it("pins every image by its exact version, the same as elsewhere in the project", () => {
    for (const [name, { image }] of services) assert.match(image, /:v?\d+(\.\d+)+(-\w+)?$/, name);
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    for (const name of OWN) assert.equal(project.services[name]!.image, `bellhop:${version}`);
    const pom = readFileSync(join(ROOT, "test/kafka/pom.xml"), "utf8");
    const broker = /kafka_2\.13<\/artifactId>\s*<version>([\d.]+)</.exec(pom)![1];
    assert.equal(project.services["kafka"]!.image, `apache/kafka:${broker}`);
  });

  it("builds its image once, and asks no registry for it", () => {
    const own = OWN.map((name) => project.services[name]!);
    assert.deepEqual(
      own.map(({ build, pull_policy }) => [build?.context, pull_policy]),
      [[ROOT, "build"], ...own.slice(1).map(() => [undefined, "never"])],
    );
  });

  it("waits for what has a health check, or ends by itself", () => {
    for (const [name, { depends_on = {} }] of services)
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        const { healthcheck, restart } = project.services[needed]!;
        if (condition === "service_healthy") assert.ok(healthcheck?.test, `${name} waits for ${needed}`);
        else {
          assert.equal(condition, "service_completed_successfully");
          assert.equal(restart, "no", `${needed} must end`);
        }
      }
    for (const [name, { restart }] of services)
      assert.equal(restart, name === "migrate" ? "no" : "unless-stopped", name);
  });

  it("checks the health of every service that stays", () => {
    for (const [name, { healthcheck }] of services) {
      // Those of our image have the image's own.
      if (name === "migrate") assert.equal(healthcheck?.disable, true);
      else if (OWN.includes(name)) assert.equal(healthcheck, undefined);
      else assert.ok(healthcheck?.test, name);
    }
  });

  it("runs the roles' own programs, hardened", () => {
    const programs = OWN.map((name) => project.services[name]!.command!);
    assert.deepEqual(programs[0], ["node", "core/store/migrate-command.ts", "up"]);
    for (const command of programs.slice(1)) {
      assert.equal(command.length, 2);
      assert.ok(command[1]! in ROLE_PORTS, command[1]);
    }
    for (const name of OWN) {
      const service = project.services[name]!;
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ["ALL"], name);
      assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
      assert.match(service.tmpfs!.join(), /^\/tmp:size=\d+m,mode=1777$/, name);
    }
  });

  it("gives nobody more than a port on loopback, each port once, and bounds every log", () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    assert.ok(ports.every(({ host_ip }) => host_ip === "127.0.0.1"));
    assert.equal(new Set(ports.map(({ published }) => published)).size, ports.length);
    assert.deepEqual(
      services.filter(([, service]) => service.ports).map(([name]) => name),
      ["api", "grafana", "mailpit", "prometheus"],
    );
    for (const [name, { logging }] of services) assert.ok(logging?.options["max-size"], name);
  });

  it("mounts folders that exist, and keeps data in declared volumes", () => {
    const mounts = services.flatMap(([, service]) => service.volumes ?? []);
    for (const { type, source, read_only } of mounts) {
      if (type === "volume") assert.ok(source in project.volumes, source);
      else {
        assert.ok(existsSync(source) && statSync(source).isDirectory(), source);
        assert.equal(read_only, true, source);
      }
    }
    const used = new Set(mounts.filter(({ type }) => type === "volume").map(({ source }) => source));
    assert.deepEqual([...used].sort(), Object.keys(project.volumes).sort());
  });

  it("names services where it names hosts", () => {
    const { environment: broker } = project.services["kafka"]!;
    const advertised = broker!["KAFKA_ADVERTISED_LISTENERS"]!.replace("PLAINTEXT://", "");
    for (const name of OWN.slice(1)) {
      const { DATABASE_URL, KAFKA_BROKERS } = project.services[name]!.environment!;
      assert.equal(KAFKA_BROKERS, advertised, name);
      assert.equal(new URL(DATABASE_URL!).host, "postgres:5432");
    }
    assert.equal(advertised.split(":")[0], "kafka");
    assert.match(broker!["KAFKA_LISTENERS"]!, /^PLAINTEXT:\/\/0\.0\.0\.0:9092,CONTROLLER:\/\/127\.0\.0\.1:/);
    assert.equal(project.services["autoscaler"]!.environment!["EMAIL_URL"], "smtp://mailpit:1025");
  });

  it("scrapes the roles where they are, and shows Grafana the dashboards where it looks for them", () => {
    const monitoring = join(ROOT, "manifests/monitoring");
    const scraped = readFileSync(join(monitoring, "prometheus/prometheus.yml"), "utf8");
    const hosts = [...scraped.matchAll(/\b([a-z]+):(\d{4})\b/g)].map(([, host, port]) => `${host}:${port}`);
    const roles = OWN.slice(1).map((name) => {
      const program = project.services[name]!.command![1]!;
      return `${name}:${ROLE_PORTS[program]}`;
    });
    assert.deepEqual([...new Set(hosts)].sort(), roles.sort());
    const mounts = project.services["grafana"]!.volumes!;
    const dashboards = mounts.find(({ source }) => source === join(monitoring, "grafana/dashboards"))!;
    const [file] = globSync("grafana/provisioning/dashboards/*.yml", { cwd: monitoring });
    assert.match(readFileSync(join(monitoring, file!), "utf8"), new RegExp(`path: ${dashboards.target}\\n`));
    for (const name of ["overview.json", "functions.json"])
      assert.ok(existsSync(join(dashboards.source, name)));
  });

  it("lets PostgreSQL take every connection that the roles may open", () => {
    const [, most] = /max_connections=(\d+)/.exec(project.services["postgres"]!.command!.join(" "))!;
    const workers = Number(project.services["autoscaler"]!.environment!["WORKERS_MAX"]);
    const [api, scheduler, autoscaler, worker] = ["api", "scheduler", "autoscaler", "worker"].map(
      (role) => CONNECTIONS[role]!,
    ) as [number, number, number, number];
    assert.ok(Number(most) >= api + scheduler + autoscaler + workers * worker + 10);
  });

  it("with compose.walls.yml lets workers make namespaces, and changes nothing else", async () => {
    const walled = await loader!.load(ROOT, [FILE, "compose.walls.yml"], SECRETS);
    const autoscaler = walled.services["autoscaler"]!;
    assert.deepEqual(autoscaler.security_opt, [
      "no-new-privileges:true",
      "seccomp=unconfined",
      "apparmor=unconfined",
      "systempaths=unconfined",
    ]);
    autoscaler.security_opt = project.services["autoscaler"]!.security_opt!;
    assert.deepEqual(walled, project);
  });
});
