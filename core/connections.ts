/** What every role opens at its start, in this order: database (migrated), doorbells, queue, log, metrics, probes. */
import { hostname } from "node:os";
import type { Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { SettingName, Settings } from "./config/settings.ts";
import { openTransport } from "./queue/open.ts";
import type { QueueTransport } from "./queue/transport.ts";
import { openStore, type Store } from "./store/database.ts";
import { type Listener, openListener } from "./store/listen.ts";
import { isMigrated, migrateUp } from "./store/migrate.ts";
import { createNotifier, type Notifier } from "./store/notify.ts";
import type { Logger } from "./telemetry/log.ts";
import { createProbes, type Probes, type ReadinessCheck, type Report } from "./telemetry/probes.ts";

/** The settings every role reads. */
export const SHARED_SETTINGS = [
  "DATABASE_URL",
  "KAFKA_BROKERS",
  "KAFKA_TOPIC_PREFIX",
  "KAFKA_PARTITIONS",
  "PORT",
  "HOST",
  "LOG_LEVEL",
] as const satisfies SettingName[];

export interface ConnectionOptions {
  role: string;
  settings: Pick<Settings, (typeof SHARED_SETTINGS)[number]>;
  /** Database connections at most, the listener's besides. */
  maxConnections: number;
  clock: Clock;
  log: Logger;
}

export interface Connections {
  store: Store;
  notifier: Notifier;
  listener: Listener;
  transport: QueueTransport;
  /** Database and `checks` decide readiness; the queue and `reported` are only shown. */
  createProbes(
    registry: Registry,
    checks?: Record<string, ReadinessCheck>,
    reported?: Record<string, Report>,
  ): Probes;
}

/** Each part is closed by `opened`, newest first, also when a later one fails to open. */
export async function openConnections(
  opened: AsyncDisposableStack,
  { role, settings, maxConnections, clock, log }: ConnectionOptions,
): Promise<Connections> {
  const onError = (error: unknown) => log.warn({ error }, "database connection");
  const databaseUrl = settings.DATABASE_URL;
  const store = openStore({ databaseUrl, applicationName: `bellhop-${role}`, maxConnections, onError });
  opened.defer(() => store.close());
  await migrateUp(store.db, clock.now());
  const notifier = createNotifier(store, clock, onError);
  opened.defer(() => notifier.flush());
  const listener = await openListener(databaseUrl, clock, onError);
  opened.defer(() => listener.close());
  const clientId = `bellhop-${role}-${hostname()}`;
  const transport = await openTransport(settings, clientId, { notifier, listener }, log);
  opened.defer(() => transport.close());
  const database = async () => {
    if (!(await isMigrated(store.db))) throw new Error("the schema is not up to date");
  };
  return {
    store,
    notifier,
    listener,
    transport,
    createProbes: (registry, checks = {}, reported = {}) =>
      createProbes(registry, { database, ...checks }, { queue: () => transport.checkReady(), ...reported }),
  };
}
