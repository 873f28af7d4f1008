/** Processor time and memory of the processes of a system, as Linux tells them. */
import { readdirSync, readFileSync } from "node:fs";
import type { Pool } from "pg";

/** What a clock of the kernel counts processor time in. */
export const TICK_US = 10_000;
const PAGE_MB = 4_096 / 1_048_576;

interface ProcessFacts {
  pid: number;
  parent: number;
  ticks: number;
  residentMb: number;
}

const readProcessFile = (pid: string | number, file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");

function listProcesses(): ProcessFacts[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readProcessFile(name, "stat");
        const fields = stat
          .slice(stat.lastIndexOf(")") + 2)
          .split(" ")
          .map(Number);
        // Its own time and that of its children that have ended.
        const ticks = fields[11]! + fields[12]! + fields[13]! + fields[14]!;
        return [{ pid: Number(name), parent: fields[1]!, ticks, residentMb: fields[21]! * PAGE_MB }];
      } catch {
        return [];
      }
    });
}

/** Without the guards that end what a killed benchmark leaves: they belong to none of the systems. */
export function listChildren(pid: number): number[] {
  return listProcesses().flatMap((each) => (each.parent === pid && !isGuard(each.pid) ? each.pid : []));
}

function isGuard(pid: number): boolean {
  try {
    return readProcessFile(pid, "cmdline").split("\0").includes("process-guard");
  } catch {
    return false;
  }
}

function listDescendants(roots: number[]): ProcessFacts[] {
  const all = listProcesses();
  const known = new Set(roots);
  for (let before = 0; before < known.size; ) {
    before = known.size;
    for (const { pid, parent } of all) if (known.has(parent)) known.add(pid);
  }
  return all.filter(({ pid }) => known.has(pid));
}

/** Of what the benchmark beside peers starts: `jobs/pg-boss.ts worker`, a program by its name. */
const OF_PEERS = /\/jobs\/[a-z-]+\.ts (client|worker)|(?:^|\/)(workerd|redis-server|java) /;

/** What its command line says it is: `runtime`, `scheduler`, `executor`, `PostgreSQL`. */
function nameOf(pid: number): string {
  const command = readProcessFile(pid, "cmdline").replaceAll("\0", " ");
  if (command.includes("executor.cjs")) return "executor";
  const [, jobs, program] = command.match(OF_PEERS) ?? [];
  return jobs ?? program ?? command.match(/([a-z-]+)\/main\.ts/)?.[1] ?? "PostgreSQL";
}

function sumByProcess(roots: number[], pick: (facts: ProcessFacts) => number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const each of listDescendants(roots)) {
    try {
      const name = nameOf(each.pid);
      sums.set(name, (sums.get(name) ?? 0) + pick(each));
    } catch {
      // It has ended.
    }
  }
  return sums;
}

/** Of the processes and all that they started. */
export const ticksByProcess = (roots: number[]) => sumByProcess(roots, ({ ticks }) => ticks);
/** What `runs` runs have cost each since `before`, in microseconds. */
export const processorUsByProcess = (roots: number[], before: Map<string, number>, runs: number) =>
  new Map(
    [...ticksByProcess(roots)].map(([name, ticks]) => [
      name,
      ((ticks - (before.get(name) ?? 0)) * TICK_US) / runs,
    ]),
  );

export const residentMbByProcess = (roots: number[]) => sumByProcess(roots, ({ residentMb }) => residentMb);
/** Pages that several processes share are counted once, by halves, thirds and so on. */
export const proportionalMbByProcess = (roots: number[]) =>
  sumByProcess(
    roots,
    ({ pid }) => Number(/^Pss: +(\d+)/m.exec(readProcessFile(pid, "smaps_rollup"))?.[1] ?? 0) / 1_024,
  );

/** What the database server's processes behind connections of that name have run so far. */
export async function readServerUs(pool: Pick<Pool, "query">, applicationName: string): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE application_name = $1",
    [applicationName],
  );
  const ranNs = rows.map(({ pid }) => Number(readProcessFile(pid, "schedstat").split(" ")[0]));
  return ranNs.reduce((sum, ns) => sum + ns, 0) / 1_000;
}
