/**
 * Many functions called in turn, in this checkout and in another one: calls a second, the share of them that met a warm
 * isolate, memory, and processor time by process.
 *
 *     node bench/functions.ts [--against ../other-checkout] [--functions 1,33,100] [--calls 3000] [--rounds 3]
 *       [--workers 1] [--in-flight 32] [--every MS] [--code-kb 0] [--warm-mb MB] [--deployed 0]
 *
 * `--every` calls each function once in so many milliseconds instead of as fast as it goes; `--deployed` puts so many
 * more functions there that nobody calls.
 */
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Agent, request } from "undici";
import { listChildren, residentMbByProcess, TICK_US, ticksByProcess } from "./process-times.ts";
import type { RoleProcess, startRole } from "./role-process.ts";
import { forEachConcurrently, spreadOf } from "./stats.ts";
import type { BenchSystem, startSystem } from "./system.ts";

const ROOT = join(import.meta.dirname, "..");
const LISTED_AGAIN_MS = 2_500;

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    functions: { type: "string", default: "1,33,100" },
    calls: { type: "string", default: "3000" },
    rounds: { type: "string", default: "3" },
    workers: { type: "string", default: "1" },
    "in-flight": { type: "string", default: "32" },
    every: { type: "string" },
    "code-kb": { type: "string", default: "0" },
    "warm-mb": { type: "string" },
    deployed: { type: "string", default: "0" },
  },
});
const [calls, rounds, workers, inFlight] = [
  Number(options.calls),
  Number(options.rounds),
  Number(options.workers),
  Number(options["in-flight"]),
];

interface Side {
  name: string;
  system: BenchSystem;
  /** Beside the system's own. */
  moreWorkers: RoleProcess[];
  roots: number[];
}

interface Figures {
  perSecond: number;
  /** Of calls, in percent. */
  warm: number;
  /** Of workers and executors. */
  residentMb: number;
  isolates: number;
  /** What those hold, as the executors count it. */
  warmMb: number;
  processorUs: Map<string, number>;
}

async function openSide(name: string, root: string): Promise<Side> {
  const before = new Set(listChildren(process.pid));
  const { startSystem: start }: { startSystem: typeof startSystem } = await import(
    join(root, "bench/system.ts")
  );
  const roles: { startRole: typeof startRole } = await import(join(root, "bench/role-process.ts"));
  const system = await start(undefined);
  const env = {
    ...{ PATH: process.env["PATH"], HOST: "127.0.0.1", PORT: "0" },
    DATABASE_URL: (system.db.options as { connectionString: string }).connectionString,
    ...(options["warm-mb"] && name === "this" ? { WORKER_WARM_MEMORY_MB: options["warm-mb"] } : {}),
  };
  // With a setting of its own, or more of them: the system's own worker has none.
  const isOwn = workers === 1 && !options["warm-mb"];
  if (!isOwn) await system.stopWorker();
  const moreWorkers: RoleProcess[] = [];
  for (let n = isOwn ? 1 : 0; n < workers; n += 1)
    moreWorkers.push(await roles.startRole("runtime/main.ts", env));
  const roots = listChildren(process.pid).filter((pid) => !before.has(pid));
  return { name, system, moreWorkers, roots };
}

const nameOf = (n: number) => `many-${n}`;
const FILLER = "x".repeat(Number(options["code-kb"]) * 1_000);

async function deploy({ system }: Side, count: number): Promise<void> {
  await forEachConcurrently(count, 8, async (n) => {
    const source = `export default async (e) => ({ ok: e.a + ${n} });${FILLER && `\nexport const text = "${FILLER}";`}`;
    await system.call("PUT", `/v1/functions/${nameOf(n)}`, { source });
  });
}

/** Sums of all workers. */
async function readMetrics({ system }: Side): Promise<(name: string) => number> {
  const { rows } = await system.db.query<{ address: string }>(
    "SELECT address FROM workers WHERE address IS NOT NULL AND lease_until > now()",
  );
  const texts = await Promise.all(
    rows.map(async ({ address }) => (await request(`http://${address}/metrics`)).body.text()),
  );
  return (name) =>
    texts
      .flatMap((text) => text.split("\n"))
      .filter(
        (line) => line.startsWith(`${name} `) || line.startsWith(`${name},`) || line.startsWith(`${name}{`),
      )
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

const agent = new Agent({ connections: inFlight, pipelining: 1 });

async function call({ system }: Side, n: number): Promise<void> {
  const { statusCode, body } = await request(`${system.origin}/v1/functions/${nameOf(n)}/invoke`, {
    method: "POST",
    headers: { authorization: `Bearer ${system.key}`, "content-type": "application/json" },
    body: '{"a":1}',
    dispatcher: agent,
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`A call of ${nameOf(n)} answered ${statusCode}: ${text}`);
}

/** As fast as it goes, or each function once in `everyMs`. */
async function callInTurn(side: Side, functions: number, count: number): Promise<void> {
  const beganMs = performance.now();
  const everyMs = options.every === undefined ? 0 : Number(options.every) / functions;
  await forEachConcurrently(count, inFlight, async (index) => {
    const leftMs = beganMs + index * everyMs - performance.now();
    if (leftMs > 0) await delay(leftMs);
    await call(side, index % functions);
  });
}

/** As far as it is the same with the labels that all have. */
const WARM = 'bellhop_isolate_runs_total{isolate="warm"';
const COLD = 'bellhop_isolate_runs_total{isolate="cold"';

async function measure(side: Side, functions: number): Promise<Figures> {
  // Each twice: what is called once is not known to be called again.
  await callInTurn(side, functions, Math.max(functions * 2, 200));
  const [before, ticks] = [await readMetrics(side), ticksByProcess(side.roots)];
  const ownUs = process.cpuUsage();
  const beganMs = performance.now();
  await callInTurn(side, functions, calls);
  const seconds = (performance.now() - beganMs) / 1_000;
  const spentUs = process.cpuUsage(ownUs);
  const processorUs = new Map(
    [...ticksByProcess(side.roots)].map(([name, now]) => [
      name,
      ((now - (ticks.get(name) ?? 0)) * TICK_US) / calls,
    ]),
  );
  processorUs.set("client", (spentUs.user + spentUs.system) / calls);
  const after = await readMetrics(side);
  const [warm, cold] = [WARM, COLD].map((name) => after(name) - before(name)) as [number, number];
  const memory = residentMbByProcess(side.roots);
  return {
    perSecond: calls / seconds,
    warm: (warm / (warm + cold)) * 100,
    residentMb: (memory.get("runtime") ?? 0) + (memory.get("executor") ?? 0),
    isolates: after("bellhop_isolates_warm"),
    warmMb: after("bellhop_isolates_warm_bytes") / 1_048_576,
    processorUs,
  };
}

function print(title: string, all: Figures[]): void {
  const rate = spreadOf(all.map(({ perSecond }) => perSecond));
  const warm = spreadOf(all.map(({ warm }) => warm));
  const last = all.at(-1)!;
  const total = spreadOf(
    all.map(({ processorUs }) => [...processorUs.values()].reduce((sum, us) => sum + us, 0)),
  );
  console.log(
    `  ${title.padEnd(24)} ${rate.p50.toFixed(0)} calls/s (${rate.min.toFixed(0)}–${rate.max.toFixed(0)}), ` +
      `${warm.p50.toFixed(2)} % warm (least ${warm.min.toFixed(2)}), ${last.isolates} isolates of ${last.warmMb.toFixed(0)} MB, ` +
      `${last.residentMb.toFixed(0)} MB in workers and executors, ${total.p50.toFixed(0)} µs of processor a call`,
  );
  const names = [...last.processorUs.keys()].toSorted();
  const medians = names.map((name) => {
    const { p50 } = spreadOf(all.map(({ processorUs }) => processorUs.get(name) ?? 0));
    return `${name} ${p50.toFixed(0)}`;
  });
  console.log(`  ${"".padEnd(24)} ${medians.join(", ")}`);
}

const sides: Side[] = [];
try {
  const counts = options.functions.split(",").map(Number);
  if (options.against) sides.push(await openSide("other", resolve(options.against)));
  sides.push(await openSide("this", ROOT));
  for (const side of sides) await deploy(side, Math.max(...counts, Number(options.deployed)));
  // Every API knows all workers by then.
  await delay(LISTED_AGAIN_MS);
  const figures = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round += 1)
    for (const count of round % 2 === 0 ? counts : counts.toReversed())
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const title = `${count} functions, ${side.name}`;
        figures.set(title, [...(figures.get(title) ?? []), await measure(side, count)]);
      }
  console.log(`${workers} workers, ${inFlight} in flight, ${rounds} rounds of ${calls} calls`);
  for (const [title, all] of figures) print(title, all);
} finally {
  for (const { system, moreWorkers } of sides) {
    await Promise.all(moreWorkers.map(({ stop }) => stop()));
    await system.stop();
  }
  await agent.close();
}
