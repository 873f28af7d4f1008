/** How every role comes to its database: it waits until that answers and the schema is there. */
import type { Clock } from "./clock.ts";
import { CLOSE_TIMEOUT_MS, closeInTime } from "./close-in-time.ts";
import type { Settings } from "./config/settings.ts";
import { type DatabaseClock, type DatabaseLook, openDatabaseClock } from "./database-clock.ts";
import type { FrontDoor } from "./front-door.ts";
import { openStore, type Store } from "./store/database.ts";
import { type DurabilityGap, findDurabilityGaps } from "./store/durability.ts";
import type { Listener } from "./store/listen.ts";
import { migrateUp } from "./store/migrate.ts";
import { openBells } from "./store/poll-bells.ts";
import type { Pooling } from "./store/pooling.ts";
import type { Logger } from "./telemetry/log.ts";
import { createDatabaseWait } from "./wait-for-database.ts";

export interface ConnectParts {
  role: string;
  settings: Pick<Settings, "DATABASE_URL" | "DATABASE_DIRECT_URL">;
  /** At most, the listener's besides. */
  maxConnections: number;
  /** Of a worker. */
  leaseMs?: number | undefined;
  clock: Clock;
  onError(error: unknown): void;
}

export interface DatabaseParts extends Pick<ConnectParts, "settings" | "clock" | "onError"> {
  /** Shows what is waited for. */
  door: FrontDoor;
  log: Logger;
  /** Ends the start. */
  signal: AbortSignal;
}

/** A store whose first connections are being made: whoever opens a port first need not wait for them afterwards. */
export interface ConnectingDatabase {
  store: Store;
  listening: Promise<Listener | undefined>;
  /** From now on closing waits for what is under way. */
  isOpen: boolean;
}

export interface OpenedDatabase {
  store: Store;
  listener: Listener;
  /** The database's time. */
  clock: DatabaseClock;
  /** For what else a start asks of it: again, while it is away. */
  untilAnswered<T>(work: () => Promise<T>): Promise<T>;
}

/** Begins to connect. Store and listener are closed by `opened`. */
export function connectDatabase(
  opened: AsyncDisposableStack,
  { role, settings, maxConnections, leaseMs, clock, onError }: ConnectParts,
): ConnectingDatabase {
  const { DATABASE_URL: databaseUrl, DATABASE_DIRECT_URL: directUrl } = settings;
  /** Who gives up its start does not wait for a server that may be the reason. */
  const close = (closed: Promise<unknown>) =>
    closeInTime(closed, clock, connecting.isOpen ? CLOSE_TIMEOUT_MS : 0);
  const applicationName = `bellhop-${role}`;
  const store = openStore({ databaseUrl, directUrl, applicationName, maxConnections, leaseMs, onError });
  opened.defer(() => close(store.close()));
  const listening = openBells(store, clock, onError).catch(() => undefined);
  const connecting: ConnectingDatabase = { store, listening, isOpen: false };
  opened.defer(() => close(connecting.listening.then((listener) => listener?.close())));
  if (leaseMs !== undefined) void connectClaims(store);
  return connecting;
}

/** What is only told keeps no connection from who starts. */
const TOLD_AFTER_MS = 1_000;

/** Rejects with `StartStopped`, or with what no waiting mends. */
export async function openDatabase(
  opened: AsyncDisposableStack,
  connecting: ConnectingDatabase,
  { settings, door, clock, log, signal, onError }: DatabaseParts,
): Promise<OpenedDatabase> {
  const { store } = connecting;
  const wait = createDatabaseWait({ clock, log, signal, onChange: door.setReason });
  const report = (line: string) => log.info(line);
  let known: DatabaseLook | undefined;
  const hearTime = ({ at }: { at: Date }, askedMs: number) => {
    known = { atMs: at.getTime(), askedMs, heardMs: clock.steadyMs() };
  };
  await wait.until(() => migrateUp(store, { now: clock.now(), clock, report, signal, hearTime }));
  const listener = (await connecting.listening) ?? (await wait.until(() => openBells(store, clock, onError)));
  connecting.listening = Promise.resolve(listener);
  tellPooling(await wait.until(() => store.findPooling()), settings, log);
  // Nobody waits for what is only told, and it is asked for once.
  const tellDurability = () => findDurabilityGaps(store).then((gaps) => tellGaps(gaps, log), onError);
  opened.defer(clock.after(TOLD_AFTER_MS, () => void tellDurability()));
  const databaseClock = await openDatabaseClock(opened, { store, known, until: wait.until });
  connecting.isOpen = true;
  return { store, listener, clock: databaseClock, untilAnswered: wait.until };
}

/** A worker's claims have connections of their own: the first is made by the time that it claims. */
async function connectClaims({ plannedPool }: Store): Promise<void> {
  // Where the database is away the start finds out by itself.
  await plannedPool.query("SELECT").catch(() => {});
}

function tellGaps(gaps: DurabilityGap[], log: Logger): void {
  if (gaps.length > 0)
    log.warn(
      { gaps },
      "the database may lose what it acknowledged; docs/guarantees.md says what is assumed of it",
    );
}

/** Once, where it makes a difference. */
function tellPooling(
  { mode, missingSettings }: Pooling,
  { DATABASE_DIRECT_URL: directUrl }: Pick<Settings, "DATABASE_DIRECT_URL">,
  log: Logger,
): void {
  if (mode !== "transaction") return;
  const bells = directUrl === undefined ? "polled" : "heard on the direct connection";
  log.info({ bells }, "the database is reached through a pooler in transaction mode");
  if (missingSettings.length > 0)
    log.warn(
      { missingSettings },
      "sessions of the pooler lack settings that make statements fast and bounded; docs/operations.md says how to give them",
    );
}
