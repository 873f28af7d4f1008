/** Everything that is tortured, and what records it. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePorts } from "../../support/free-ports.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { installAuditTrail } from "../audit/trail.ts";
import type { Records } from "../records.ts";
import { startTorturedBroker, type TorturedBroker } from "./broker.ts";
import { makeDataFolder } from "./data-folder.ts";
import { type Pooler, startPooler } from "./pooler.ts";
import { startTorturedPostgres, type TorturedPostgres } from "./postgres.ts";
import { Role, type RoleKind } from "./role.ts";
import { type Sinks, startSinks } from "./sinks.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts";

/** Short, so that what freezes outlasts it. */
export const LEASE_MS = 4_000;
export const TOPIC_PREFIX = "torture";
const COUNTS: Record<RoleKind, number> = { api: 2, scheduler: 2, worker: 3 };
/** Those who reach the database through the pooler: one of each kind. */
const POOLED = ["api-2", "scheduler-2", "worker-3"];
/** For a server and its standby, and no more than memory has to spare. */
const DISK_MEGABYTES = 2_000;
const START_PATIENCE_MS = 120_000;

export interface System {
  postgres: TorturedPostgres;
  /** Of the database's data; undefined where this process may not make one. */
  disk: SmallDisk | undefined;
  /** Undefined where there is none to be had: then everybody goes straight to the database. */
  pooler: Pooler | undefined;
  kafka: TorturedBroker | undefined;
  sinks: Sinks;
  roles: Role[];
  apiKey: string;
  ofKind(kind: RoleKind): Role[];
  /** Once all of them are. */
  whenReady(patienceMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface SystemOptions {
  /** For the roles' logs. */
  folder: string;
  transport: "kafka" | "postgres";
  /** The database has one that may take its place. */
  hasStandby: boolean;
  records: Records;
}

export async function startSystem({
  folder,
  transport,
  hasStandby,
  records,
}: SystemOptions): Promise<System> {
  const dataFolder = await makeDataFolder();
  const disk = await mountSmallDisk(join(dataFolder, "disk"), DISK_MEGABYTES);
  const [postgres, kafka, sinks] = await Promise.all([
    startTorturedPostgres(disk?.folder ?? dataFolder),
    transport === "kafka" ? startTorturedBroker(dataFolder) : undefined,
    startSinks(records.pathOf("requests")),
  ]);
  const pooler = await startPooler(dataFolder, postgres);
  const apiKey = `bh_${randomBytes(16).toString("hex")}`;
  const roles: Role[] = [];
  const proxies: TcpProxy[] = [];
  const names = Object.entries(COUNTS).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, index) => ({ kind: kind as RoleKind, name: `${kind}-${index + 1}` })),
  );
  const ports = await freePorts(names.length);
  const publicUrl = `http://127.0.0.1:${ports[0]}`;
  const shared = {
    ...{ BELLHOP_API_KEY: apiKey, BELLHOP_SECRETS_KEY: randomBytes(32).toString("hex") },
    ...{ HOST: "127.0.0.1", EGRESS_ALLOW: "127.0.0.0/8", BELLHOP_PUBLIC_URL: publicUrl },
    ...{ EMAIL_URL: sinks.mailUrl, EMAIL_FROM: "torture@example.com" },
    ...{ WORKER_LEASE: `${LEASE_MS}ms`, WORKER_DRAIN: "2s", WORKER_SLOTS: "40" },
    ...(kafka
      ? { KAFKA_BROKERS: kafka.address, KAFKA_PARTITIONS: "6", KAFKA_TOPIC_PREFIX: TOPIC_PREFIX }
      : {}),
  };

  async function startRole(index: number): Promise<void> {
    const { kind, name } = names[index]!;
    const port = ports[index]!;
    const isPooled = pooler !== undefined && POOLED.includes(name);
    const database = await startTcpProxy(isPooled ? Number(new URL(pooler.url).port) : postgres.port);
    if (!isPooled) postgres.onMove((moved) => database.redirect(moved));
    const calls = kind === "worker" ? await startTcpProxy(port) : undefined;
    proxies.push(database, ...(calls ? [calls] : []));
    const url = new URL(postgres.url);
    url.port = String(database.port);
    const env = {
      ...{ ...shared, DATABASE_URL: url.href },
      ...(calls ? { WORKER_ADDRESS: `127.0.0.1:${calls.port}` } : {}),
    };
    const files = {
      logFile: join(folder, `${name}.log`),
      ordersFile: join(folder, `${name}.orders.json`),
    };
    roles.push(new Role({ ...files, kind, name, port, env, database, ...(calls ? { calls } : {}) }));
  }

  const system: System = {
    ...{ postgres, disk, pooler, kafka, sinks, roles, apiKey },
    ofKind: (kind) => roles.filter((role) => role.kind === kind),
    async whenReady(patienceMs) {
      await Promise.all(roles.map((role) => role.whenReady(patienceMs)));
    },
    async stop() {
      await Promise.all(roles.map((role) => role.dismiss()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await pooler?.close();
      await Promise.all([kafka?.stop(), postgres.close(), sinks.stop()]);
      await disk?.unmount();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
  // The first API migrates; nobody works before the trail is there.
  await startRole(0);
  await system.whenReady(START_PATIENCE_MS);
  await withClient(postgres.url, installAuditTrail);
  if (hasStandby) await postgres.addStandby();
  for (let index = 1; index < names.length; index += 1) await startRole(index);
  await system.whenReady(START_PATIENCE_MS);
  return system;
}

/** A connection of the harness's own, past every proxy. */
export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}
