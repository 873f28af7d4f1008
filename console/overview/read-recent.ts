import { type Schemas, unwrap } from "../../client/client.ts";
import { client } from "../data/use-query.ts";

const HOUR_MS = 3_600_000;
const PAGE = 200;
const MOST_PAGES = 5;

export interface RecentRuns {
  runs: Schemas["Run"][];
  /** These are all of the last hour. */
  isWhole: boolean;
}

/** The runs of the last hour, newest first, or as many of them as five pages hold. */
export async function readRecentRuns(): Promise<RecentRuns> {
  const from = new Date(Date.now() - HOUR_MS).toISOString();
  const runs: Schemas["Run"][] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { from, limit: PAGE, ...(cursor !== null && { cursor }) };
    const answer: { items: Schemas["Run"][]; nextCursor: string | null } = await unwrap(
      client().GET("/v1/runs", { params: { query } }),
    );
    runs.push(...answer.items);
    cursor = answer.nextCursor;
    if (cursor === null) return { runs, isWhole: true };
  }
  return { runs, isWhole: false };
}

export interface UpcomingInstants {
  from: Date;
  instants: Date[];
  isWhole: boolean;
}

export async function readNext24Hours(): Promise<UpcomingInstants> {
  const from = new Date();
  const instants: Date[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { within: "24h", limit: PAGE, ...(cursor !== null && { cursor }) };
    const answer: Schemas["Upcoming"] = await unwrap(client().GET("/v1/upcoming", { params: { query } }));
    instants.push(...answer.items.map(({ effectiveAt }) => new Date(effectiveAt)));
    cursor = answer.nextCursor;
    if (cursor === null) return { from, instants, isWhole: true };
  }
  return { from, instants, isWhole: false };
}
