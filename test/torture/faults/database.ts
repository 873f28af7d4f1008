/** A database server that crashes, is restarted, stands still, or is lost to its standby. */
import { until } from "../../../core/store/testing/test-store.ts";
import type { TorturedPostgres } from "../system/postgres.ts";
import { withClient } from "../system/system.ts";
import type { Fault } from "./fault.ts";

const PART = "postgres";

export const postgresCrash: Fault = {
  weight: 2,
  lastsMs: [0, 4_000],
  aim: ({ postgres }, pick) => ({
    part: PART,
    inflict: () => postgres.crash(pick < 0.5 ? "SIGQUIT" : "SIGKILL"),
    heal: () => postgres.start(),
  }),
};

export const postgresRestart: Fault = {
  weight: 1,
  lastsMs: [0, 1_000],
  aim: ({ postgres }) => ({ part: PART, inflict: () => postgres.stop(), heal: () => postgres.start() }),
};

export const postgresFreeze: Fault = {
  weight: 1,
  lastsMs: [500, 9_000],
  aim: ({ postgres }) => ({
    part: PART,
    inflict: async () => postgres.freeze(),
    heal: async () => postgres.thaw(),
  }),
};

/** What was committed is on the standby: commits wait for it. */
export const postgresFailover: Fault = {
  weight: 1,
  lastsMs: [0, 0],
  aim: ({ postgres }) => ({
    part: PART,
    inflict: () => postgres.failOver(),
    heal: () => postgres.addStandby(),
  }),
};

/** The server's log cannot be written: it ends its sessions, and maybe itself. */
export const diskFull: Fault = {
  weight: 1,
  lastsMs: [1_000, 5_000],
  aim: ({ postgres, disk }) =>
    disk && {
      part: PART,
      inflict: () => disk.fill(),
      async heal() {
        await disk.clear();
        await whenServing(postgres);
      },
    },
};

/** A server that found no room to recover may still be about to end: it is started again until it answers. */
async function whenServing(postgres: TorturedPostgres): Promise<void> {
  await until(async () => {
    await postgres.start();
    const answer = await withClient(postgres.url, (client) => client.query("SELECT")).catch(() => undefined);
    return answer && true;
  });
}
