/** One torture: work under faults, healing, the end of the work, quiet, and what the oracle says of it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { chooseFaults } from "./faults/catalogue.ts";
import type { FaultKind } from "./faults/fault.ts";
import { inflictFaults } from "./faults/inflict-faults.ts";
import { planFaults } from "./faults/plan-faults.ts";
import type { TortureOptions } from "./options.ts";
import type { Judgement } from "./oracle/judge.ts";
import { readLags } from "./read-lags.ts";
import { openRecords } from "./records.ts";
import { startSampling } from "./sample-system.ts";
import { LEASE_MS, type System, startSystem } from "./system/system.ts";
import { whenQuiet } from "./when-quiet.ts";
import { startWork, type Work } from "./workload/work.ts";

const HEAL_PATIENCE_MS = 120_000;
const LAG_PATIENCE_MS = 60_000;
/** Work goes on so long after healing, to see that all is on time again. */
const AFTERMATH_MS = 10_000;
const ORACLE_OUTPUT_BYTES = 256 * 1_048_576;

export interface TortureResult {
  judgement: Judgement;
  answered: number;
  faults: Map<FaultKind, number>;
  /** Ends of roles that nobody had asked for. */
  unaskedExits: string[];
  folder: string;
}

/** @param tell is told in a line what goes on */
export async function runTorture(
  options: TortureOptions,
  tell: (line: string) => void,
): Promise<TortureResult> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-torture-"));
  const records = openRecords(folder);
  tell(`starting, with the evidence in ${folder}`);
  const hasStandby = options.faults.includes("postgres-failover");
  const system = await startSystem({ folder, transport: options.transport, hasStandby, records });
  const leaveSignals = stopOnSignal(system);
  for (const reason of findLeftOut(system, options)) tell(reason);
  try {
    const beganAt = Date.now();
    const stopSampling = startSampling(system, records);
    const work = await startWork({ system, records, ...options });
    const faults = await runFaults(options, system, work, { records, tell });
    await system.whenReady(HEAL_PATIENCE_MS);
    const healedAt = Date.now();
    tell("healed");
    await delay(AFTERMATH_MS);
    await endWork(work);
    const workEndedAt = Date.now();
    tell("the work has ended");
    const unquiet = await whenQuiet(system.postgres.url, options.patienceSeconds * 1_000);
    stopSampling();
    const lags = system.kafka ? await readLags(system.kafka.address, LAG_PATIENCE_MS) : [];
    await records.conclude({
      ...{ seed: options.seed, leaseMs: LEASE_MS, beganAt, healedAt, workEndedAt, unquiet, lags },
    });
    await records.close();
    await system.sinks.stop();
    tell("asking the oracle");
    const judgement = await askOracle(system.postgres.url, folder);
    return {
      ...{ judgement, answered: work.counts().answered, faults, unaskedExits: unaskedExits(system), folder },
    };
  } finally {
    leaveSignals();
    await system.stop();
  }
}

/** Faults that were asked for, and that this machine cannot have. */
function findLeftOut({ pooler, disk }: System, { faults }: TortureOptions): string[] {
  return [
    ...(pooler || !faults.includes("pooler-restart")
      ? []
      : ["pooler-restart is left out: there is no PgBouncer, and none can be fetched"]),
    ...(disk || !faults.includes("disk-full")
      ? []
      : ["disk-full is left out: this process may not mount a disk of memory"]),
  ];
}

/** Processes end with this one by themselves, but for what is mounted. */
function stopOnSignal(system: System): () => void {
  const stop = (signal: NodeJS.Signals) => {
    leave();
    void system.stop().finally(() => process.exit(128 + constants.signals[signal]));
  };
  const leave = () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  return leave;
}

async function runFaults(
  { seed, minutes, faults }: TortureOptions,
  system: System,
  work: Work,
  { records, tell }: { records: ReturnType<typeof openRecords>; tell: (line: string) => void },
): Promise<Map<FaultKind, number>> {
  const durationMs = minutes * 60_000;
  const plan = planFaults(seed, durationMs, chooseFaults(faults));
  const infliction = inflictFaults(plan, system, records);
  const telling = setInterval(() => {
    const { answered, waiting } = work.counts();
    const count = [...infliction.counts.values()].reduce((total, each) => total + each, 0);
    tell(
      `${answered} answered, ${waiting} wait, ${count} faults; now: ${infliction.harmed().join(", ") || "none"}`,
    );
  }, 5_000);
  await delay(durationMs);
  clearInterval(telling);
  await infliction.end();
  return infliction.counts;
}

/** What has no answer although all is healed is the oracle's business: it was never acknowledged. */
async function endWork(work: Work): Promise<void> {
  const late = setTimeout(() => work.abort(), HEAL_PATIENCE_MS);
  await work.end();
  clearTimeout(late);
}

async function askOracle(databaseUrl: string, folder: string): Promise<Judgement> {
  const program = join(import.meta.dirname, "oracle", "main.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program, folder, databaseUrl], {
    maxBuffer: ORACLE_OUTPUT_BYTES,
  });
  return JSON.parse(stdout) as Judgement;
}

function unaskedExits({ roles }: System): string[] {
  return roles.flatMap(({ name, exits }) =>
    exits
      .filter(({ wasAsked }) => !wasAsked)
      .map(({ at, code, signal, lastLines }) => {
        const said = lastLines.join("\n  ");
        return `${name} ended by itself at ${new Date(at).toISOString()} (${signal ?? `code ${code}`}):\n  ${said}`;
      }),
  );
}

export async function removeEvidence(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
