/** Ways to the database that break, stand still, lose everything, or are slow; and those from an API to a worker. */
import { createRandom } from "../../support/random.ts";
import type { Impairment, TcpProxy } from "../../support/tcp-proxy.ts";
import { LEASE_MS, type System, withClient } from "../system/system.ts";
import { type Fault, pickAgain, pickOf } from "./fault.ts";

/** Of all roles, at once. */
export const terminate: Fault = {
  weight: 2,
  lastsMs: [0, 0],
  aim: ({ postgres }) => ({
    part: "postgres",
    inflict: () =>
      withClient(postgres.url, async (client) => {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE usename = current_user AND pid <> pg_backend_pid()`,
        );
      }),
  }),
};

const onWayToDatabase = (
  weight: number,
  lastsMs: Fault["lastsMs"],
  inflict: (proxy: TcpProxy) => void,
  heal: (proxy: TcpProxy) => void,
): Fault => ({
  ...{ weight, lastsMs },
  aim(system, pick) {
    const role = pickOf(system.roles, pick);
    return (
      role && {
        part: `${role.name}'s way to postgres`,
        inflict: async () => inflict(role.database),
        heal: async () => heal(role.database),
      }
    );
  },
});

/** What is sent waits, both ways, as on a network that drops everything. */
export const partition = onWayToDatabase(
  3,
  [500, 2.5 * LEASE_MS],
  (proxy) => proxy.hold(),
  (proxy) => proxy.release(),
);

/** The connections that stand say nothing any more and are not closed; new ones pass. */
export const halfOpen = onWayToDatabase(
  2,
  [0, 0],
  (proxy) => proxy.abandon(),
  () => {},
);

export const delayed = onWayToDatabase(
  2,
  [1_000, 10_000],
  (proxy) => proxy.delay(200),
  (proxy) => proxy.delay(0),
);

/** Of pieces: those that are sent anew, and those after which the connection is given up. */
const LOST_SHARE = 0.04;
const RESET_SHARE = 0.002;
/** What is lost arrives when it has been sent again, and all that follows it waits. */
const SENT_AGAIN_MS = [200, 800] as const;

/** Of a network that loses: what TCP makes of it. */
export const loss: Fault = {
  weight: 2,
  lastsMs: [2_000, 12_000],
  aim(system, pick) {
    const way = pickOf(waysOf(system), pick);
    return (
      way && {
        part: way.part,
        inflict: async () => way.proxy.impair(losingPieces(pickAgain(pick))),
        heal: async () => way.proxy.impair(undefined),
      }
    );
  },
};

function losingPieces(pick: number): () => Impairment {
  const random = createRandom(Math.floor(pick * 2 ** 32));
  return () => {
    const drawn = random.next();
    if (drawn < RESET_SHARE) return "reset";
    return drawn < LOST_SHARE ? random.whole(...SENT_AGAIN_MS) : 0;
  };
}

/** All that anybody says to anybody. */
const waysOf = ({ roles, kafka }: System): { part: string; proxy: TcpProxy }[] => [
  ...roles.map(({ name, database }) => ({ part: `${name}'s way to postgres`, proxy: database })),
  ...roles.flatMap(({ name, calls }) => (calls ? [{ part: `the way to ${name}`, proxy: calls }] : [])),
  ...(kafka ? [{ part: "kafka", proxy: kafka.proxy }] : []),
];

/** An API cannot reach a worker that is there and has its lease. */
export const callPartition: Fault = {
  weight: 1,
  lastsMs: [500, 2 * LEASE_MS],
  aim(system, pick) {
    const worker = pickOf(system.ofKind("worker"), pick);
    const way = worker?.calls;
    return (
      way && {
        part: `the way to ${worker.name}`,
        inflict: async () => way.hold(),
        heal: async () => way.release(),
      }
    );
  },
};
