import { type Schemas, unwrap } from "../../client/client.ts";
import { client } from "../data/use-query.ts";

const PAGE = 200;
const MOST_PAGES = 5;

export interface UpcomingInstants {
  from: Date;
  instants: Date[];
  isWhole: boolean;
}

/** What fires within a day, or as much of it as five pages hold. */
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
