/**
 * A steady load with limits of every kind, for minutes: what tables hold, how long claims take, and whether the permits that
 * are counted are held by runs. It fails where something grows, or leaks.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { tellGrowth } from "../test/soak/judge.ts";
import { readClaims } from "./queues.ts";
import type { TaskBody } from "./scenarios.ts";
import type { BenchSystem } from "./system.ts";

const SAMPLE_MS = 5_000;
const CUSTOMERS = 200;
/** Tasks a second; the limits let more run in the long term. */
const DEFAULT_PER_SECOND = 60;
const TABLES = ["task_runs_open", "run_limits", "returned_permits"] as const;
/** Of a figure's level, in the second half. */
const GROWTH = 1;
/** Below it, nothing is said to have grown. */
const LEAST_BYTES = 8_000_000;
const LEAST_CLAIM_MS = 5;
const DRAIN_MS = 120_000;

interface TableFigures {
  rows: number;
  deadRows: number;
  bytes: number;
}

export interface ChurnSample {
  atSeconds: number;
  tables: Record<(typeof TABLES)[number], TableFigures>;
  openRuns: number;
  waiting: number;
  permitsHeld: number;
  /** Keys whose count is not that of the runs that hold permits of it. */
  wrongCounts: number;
  claimMs: number;
}

export const QUEUES = {
  mail: { concurrency: 20, rate: { limit: 100, per: "1s" }, perKey: { concurrency: 2, rate: null } },
  reports: { concurrency: 5 },
  roomy: { concurrency: 500 },
  slow: {
    rate: { limit: 8, per: "1s" },
    perKey: { concurrency: null, rate: { limit: 2, per: "1s" } },
  },
};

/** The share of each in the load. */
export function taskOf(body: TaskBody, number: number): object {
  const key = `customer-${number % CUSTOMERS}`;
  const turn = number % 12;
  if (turn < 5) return { ...body, queue: "mail", concurrencyKey: key };
  if (turn < 7) return { ...body, queue: "reports" };
  if (turn < 11) return { ...body, queue: "roomy" };
  return { ...body, queue: "slow", rateKey: key };
}

const TABLE_FIGURES = `SELECT relname AS name, n_live_tup::int AS rows, n_dead_tup::int AS "deadRows",
  pg_total_relation_size(relid)::float8 AS bytes FROM pg_stat_user_tables WHERE relname = ANY($1)`;

// One snapshot, in which a right count is exact.
const PERMITS = `
  WITH held AS (
    SELECT p.key, count(*)::int AS count FROM task_runs_open r, unnest(r.permits) AS p(key)
    WHERE r.state IN ('running', 'deferred') OR (r.state = 'queued' AND r.waiting_for IS NULL AND r.waiting_key IS NOT NULL)
    GROUP BY p.key
  ), returned AS (SELECT key, sum(count)::int AS count FROM returned_permits GROUP BY key)
  SELECT coalesce(sum(l.permits_held), 0)::int AS "permitsHeld",
    count(*) FILTER (WHERE l.permits_held <> coalesce(h.count, 0) + coalesce(b.count, 0))::int AS "wrongCounts",
    (SELECT count(*)::int FROM task_runs_open) AS "openRuns",
    (SELECT count(*)::int FROM task_runs_open WHERE waiting_for = 'concurrency') AS waiting
  FROM run_limits l LEFT JOIN held h ON h.key = l.key LEFT JOIN returned b ON b.key = l.key`;

/** Throws, with what was seen, where something grew or leaked. */
export async function measureChurn(
  system: BenchSystem,
  body: TaskBody,
  given: { minutes: number; perSecond?: number; onSample?(sample: ChurnSample): void },
): Promise<ChurnSample[]> {
  const { minutes, perSecond = DEFAULT_PER_SECOND } = given;
  for (const [name, limits] of Object.entries(QUEUES)) await system.call("PUT", `/v1/queues/${name}`, limits);
  const beganMs = performance.now();
  const untilMs = beganMs + minutes * 60_000;
  const samples: ChurnSample[] = [];
  const loading = load(system, body, perSecond, untilMs);
  let claims = await readClaims(system);
  while (performance.now() + SAMPLE_MS <= untilMs) {
    await Promise.race([sleep(SAMPLE_MS), loading]);
    const now = await readClaims(system);
    const claimMs = (1_000 * (now.seconds - claims.seconds)) / Math.max(now.count - claims.count, 1);
    claims = now;
    const sample = {
      atSeconds: Math.round((performance.now() - beganMs) / 1_000),
      claimMs,
      ...(await look(system)),
    };
    samples.push(sample);
    given.onSample?.(sample);
  }
  await loading;
  const faults = [...findFaults(samples), ...(await findLeaks(system))];
  if (faults.length > 0) throw new Error(`The churn leaves something behind: ${faults.join("; ")}`);
  return samples;
}

/** So many tasks a second, whatever becomes of them; a pause of one queue comes and goes. */
async function load(
  { call }: BenchSystem,
  body: TaskBody,
  perSecond: number,
  untilMs: number,
): Promise<void> {
  const beganMs = performance.now();
  for (let made = 0, nth = 0; performance.now() < untilMs; nth += 1) {
    const due = Math.floor(((performance.now() - beganMs) / 1_000) * perSecond);
    const items = Array.from({ length: Math.min(due - made, 1_000) }, (_, index) =>
      taskOf(body, made + index),
    );
    if (items.length > 0) await call("POST", "/v1/tasks/batch", { items });
    made += items.length;
    if (nth % 100 === 50) await call("POST", "/v1/queues/reports/pause");
    if (nth % 100 === 60) await call("POST", "/v1/queues/reports/resume");
    await sleep(100);
  }
  await call("POST", "/v1/queues/reports/resume");
}

async function look({ db }: BenchSystem): Promise<Omit<ChurnSample, "atSeconds" | "claimMs">> {
  const { rows } = await db.query<TableFigures & { name: string }>(TABLE_FIGURES, [TABLES]);
  const tables = Object.fromEntries(
    rows.map(({ name, ...figures }) => [name, figures]),
  ) as ChurnSample["tables"];
  const permits = (await db.query<Omit<ChurnSample, "atSeconds" | "claimMs" | "tables">>(PERMITS)).rows[0]!;
  return { tables, ...permits };
}

function findFaults(samples: ChurnSample[]): string[] {
  const wrong = samples.filter(({ wrongCounts }) => wrongCounts > 0).length;
  const faults = wrong > 0 ? [`counts of permits were wrong in ${wrong} of ${samples.length} samples`] : [];
  const check = (
    what: string,
    unit: string,
    least: number,
    read: (sample: ChurnSample) => number,
  ): string[] => {
    const points = samples.map((sample) => ({ atSeconds: sample.atSeconds, value: read(sample) }));
    const told = tellGrowth(what, unit, points, { share: GROWTH, least });
    return told === undefined ? [] : [told];
  };
  return [
    ...faults,
    ...TABLES.flatMap((table) => check(table, "bytes", LEAST_BYTES, ({ tables }) => tables[table].bytes)),
    ...check("a claim", "ms", LEAST_CLAIM_MS, ({ claimMs }) => claimMs),
  ];
}

/** Nothing comes any more: all of it runs, and what it held is given back. */
async function findLeaks(system: BenchSystem): Promise<string[]> {
  let seen = await look(system);
  for (let leftMs = DRAIN_MS; leftMs > 0; leftMs -= 500) {
    const { rows } = await system.db.query<{ left: number }>(
      `SELECT (SELECT count(*) FROM returned_permits)::int
        + (SELECT count(*) FROM run_limits WHERE parent_key IS NOT NULL)::int AS left`,
    );
    if (seen.openRuns + seen.permitsHeld + seen.wrongCounts + rows[0]!.left === 0) return [];
    await sleep(500);
    seen = await look(system);
  }
  return [
    `${seen.openRuns} runs are open, ${seen.permitsHeld} permits are held, of ${seen.wrongCounts} keys wrongly`,
  ];
}
