/** Looks every two seconds at how much the system takes, until it is stopped. */
import { readdirSync, readFileSync } from "node:fs";
import type { Records } from "./records.ts";
import { type System, withClient } from "./system/system.ts";

const EVERY_MS = 2_000;

/** @returns what stops it */
export function startSampling(system: System, records: Records): () => void {
  const timer = setInterval(async () => {
    const ofRoles = (measure: (pid: number) => number) =>
      Object.fromEntries(system.roles.map(({ name, pid }) => [name, measure(pid)]));
    records.add("samples", {
      ...{ at: Date.now(), roleBytes: ofRoles(residentBytes), roleDescriptors: ofRoles(countDescriptors) },
      connections: await countConnections(system),
    });
  }, EVERY_MS);
  return () => clearInterval(timer);
}

/** None where it has ended. */
function residentBytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

/** None where it has ended, and where the machine tells nothing of that. */
function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Null while the database cannot be asked. */
async function countConnections({ postgres }: System): Promise<number | null> {
  try {
    return await withClient(postgres.url, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()",
      );
      return rows[0]!.count;
    });
  } catch {
    return null;
  }
}
