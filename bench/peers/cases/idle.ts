/** A thousand schedules that sleep: what Bellhop takes of the processor and holds, as separate roles and as `npm start`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "undici";
import { ROLE_FLAGS } from "../../../core/role-flags.ts";
import { freePorts } from "../../../test/support/free-ports.ts";
import { TICK_US, ticksByProcess } from "../../process-times.ts";
import { openBellhop } from "../bellhop.ts";
import { beginCosts, type CountedSystem } from "../costs.ts";
import { withRoots } from "../own-processes.ts";
import type { Result } from "../rounds.ts";
import type { PeerCase } from "./case.ts";

export const SLEEPING = "1,000 sleeping schedules";
export const AS_ROLES = "Bellhop, separate roles";
export const AS_STANDALONE = "Bellhop, npm start";
const ROOT = join(import.meta.dirname, "../../..");
const KEY = "bh_for_the_idle_benchmark";
const SCHEDULES = 1_000;
/**
 * Until all have come to rest: a worker that had something to do, an autoscaler with it, and V8, which collects what making
 * the schedules has left for some two minutes.
 */
const SETTLE_MS = 180_000;
const START_TRIES = 600;
/** It takes long. */
const MOST_ROUNDS = 3;

interface IdleSystem extends CountedSystem {
  name: string;
  origin: string;
  key: string;
}

async function openStandalone(opened: AsyncDisposableStack): Promise<IdleSystem> {
  const dataDir = await mkdtemp(join(tmpdir(), "bellhop-bench-standalone-"));
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  const [port] = (await freePorts(1)) as [number];
  const origin = `http://127.0.0.1:${port}`;
  return await withRoots(async () => {
    const child = spawn(process.execPath, [...ROLE_FLAGS, join(ROOT, "standalone/main.ts")], {
      env: {
        PATH: process.env["PATH"],
        ...{ BELLHOP_DATA_DIR: dataDir, BELLHOP_API_KEY: KEY, HOST: "127.0.0.1", PORT: String(port) },
      },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const exited = once(child, "exit");
    opened.defer(async () => {
      child.kill("SIGTERM");
      await exited;
    });
    await untilReady(origin);
    return { name: AS_STANDALONE, origin, key: KEY };
  });
}

async function untilReady(origin: string): Promise<void> {
  for (let tries = 0; tries < START_TRIES; tries += 1) {
    const isReady = await request(`${origin}/readyz`).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      },
      () => false,
    );
    if (isReady) return;
    await delay(100);
  }
  throw new Error("npm start did not become ready within a minute.");
}

async function makeSchedules({ origin, key }: IdleSystem): Promise<void> {
  const items = Array.from({ length: SCHEDULES }, (_, nth) => ({
    ...{ type: "http", method: "POST", url: "https://example.com/" },
    schedule: { cron: `${nth % 60} ${nth % 24} 29 2 *` },
  }));
  const { statusCode, body } = await request(`${origin}/v1/tasks/batch`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ items }),
  });
  const answer = (await body.json()) as { items?: { status: number }[] };
  if (statusCode !== 200 || !answer.items?.every(({ status }) => status === 201))
    throw new Error(`the schedules were not made: ${statusCode}, ${JSON.stringify(answer).slice(0, 500)}`);
}

/** Of one core, in percent, by process. */
function shareSince(system: IdleSystem, before: Map<string, number>, seconds: number): number {
  let share = 0;
  for (const [name, ticks] of ticksByProcess(system.roots))
    share += ((ticks - (before.get(name) ?? 0)) * TICK_US) / 10_000 / seconds;
  return share;
}

export const IDLE: PeerCase = {
  name: "idle",
  purpose:
    "1,000 sleeping schedules: processor and memory, as separate roles and as npm start, in three rounds at most",
  async run(opened, { rounds, idleSeconds, tell }) {
    const roles = await openBellhop(opened);
    const { origin, key } = roles.system;
    const systems: IdleSystem[] = [
      { name: AS_ROLES, origin, key, roots: roles.roots, db: roles.system.db },
      await openStandalone(opened),
    ];
    for (const system of systems) await makeSchedules(system);
    await delay(SETTLE_MS);
    const results = systems.map(({ name }): Result => ({ work: SLEEPING, system: name, samples: [] }));
    // Both at once: a process's time is its own, whoever else runs.
    for (let round = 1; round <= Math.min(rounds, MOST_ROUNDS); round += 1) {
      const before = systems.map((system) => ticksByProcess(system.roots));
      const ends = await Promise.all(systems.map(beginCosts));
      await delay(idleSeconds * 1_000);
      for (const [index, system] of systems.entries()) {
        const processorShare = shareSince(system, before[index]!, idleSeconds);
        const costs = await ends[index]!(idleSeconds);
        results[index]!.samples.push({ figures: { processorShare }, costs });
        tell(
          `round ${round}: ${SLEEPING}, ${system.name}: ${processorShare.toFixed(2)} % of a core, ${costs.proportionalMb.toFixed(0)} MB`,
        );
      }
    }
    return results;
  },
};
