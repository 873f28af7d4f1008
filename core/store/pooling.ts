/**
 * What stands between a role and the server, found by looking: a pooler does not introduce itself. Whether there is one
 * shows in the cancel key: it is the pooler's own, and names no process of the server.
 */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { MISSING_SETTINGS } from "./session-settings.ts";

export interface Pooling {
  /**
   * `none`: a connection is the server's. `session`: a pooler, and a connection keeps its session. `transaction`: the
   * session may be another after each transaction, and others use it in between.
   */
  mode: "none" | "session" | "transaction";
  /** In transaction mode: a statement that was prepared by name is found in every session. */
  carriesNames: boolean;
  /** In transaction mode: settings of ours that its sessions do not have. */
  missingSettings: string[];
}

export const NO_POOLER: Pooling = { mode: "none", carriesNames: true, missingSettings: [] };

/** Whether the connection was refused for what it asked of its session, which poolers do and PostgreSQL does not. */
export function isStartupRefusal(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "08P01" && /startup parameter/.test(message ?? "");
}

/** One statement. */
export async function isOwnSession(client: pg.ClientBase): Promise<boolean> {
  // The driver keeps it for cancelling; its types leave it out.
  const { processID } = client as unknown as { processID: number | null };
  return (await readPid(client)) === processID;
}

/** `open` connects anew, with nothing that a pooler might refuse. Throws, with a sentence, where no role could work. */
export async function probePooler(open: () => Promise<pg.Client>): Promise<Pooling> {
  const opening = await Promise.allSettled([open(), open()]);
  const clients = opening.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  try {
    for (const each of opening) if (each.status === "rejected") throw each.reason;
    const [one, other] = clients as [pg.Client, pg.Client];
    await demandTransactions(one);
    if (!(await sharesSessions(one, other))) return { ...NO_POOLER, mode: "session" };
    const { rows } = await one.query<{ name: string }>(MISSING_SETTINGS);
    const missingSettings = rows.map(({ name }) => name);
    return { mode: "transaction", carriesNames: await carriesNames(one), missingSettings };
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

async function demandTransactions(client: pg.Client): Promise<void> {
  try {
    await client.query("BEGIN");
    await client.query("COMMIT");
  } catch (error) {
    if (!/statement pooling/.test((error as Error).message)) throw error;
    throw new Error(
      "the pooler before it is in statement mode, in which there are no transactions; set its pool_mode to transaction or session",
    );
  }
}

const ROUNDS = 3;

/**
 * Two connections that use one session, or one that changes its own: never where sessions are kept. Where they are not,
 * the order catches poolers that hand out the session used last and those that take turns; rounds, those under load.
 */
async function sharesSessions(one: pg.Client, other: pg.Client): Promise<boolean> {
  const ofOne = new Set<number>();
  const ofOther = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    ofOne.add(await readPid(one));
    ofOther.add(await readPid(other));
    ofOther.add(await readPid(other));
    ofOne.add(await readPid(one));
    if (ofOne.size > 1 || ofOther.size > 1 || [...ofOne].some((pid) => ofOther.has(pid))) return true;
  }
  return false;
}

/** A pooler that carries prepared statements gives them names of its own. */
async function carriesNames(client: pg.Client): Promise<boolean> {
  const name = `bellhop-probe-${randomUUID()}`;
  await client.query("BEGIN");
  const { rows } = await client.query<{ name: string }>({
    name,
    text: "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%bellhop-probe%'",
  });
  const isKept = rows.some((row) => row.name === name);
  if (isKept) await client.query(`DEALLOCATE "${name}"`);
  await client.query("COMMIT");
  return !isKept;
}

async function readPid(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return rows[0]!.pid;
}
