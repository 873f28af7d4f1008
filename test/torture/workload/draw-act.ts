/** What is asked next, drawn at random: of every type, kind and policy there is. */
import type { Random } from "../../support/random.ts";
import type { Act, Known } from "./acts/act.ts";
import { CALENDAR_ACTS } from "./acts/calendars.ts";
import { DECISION_ACTS } from "./acts/decisions.ts";
import { FUNCTION_ACTS } from "./acts/functions.ts";
import { JOINED_ACTS } from "./acts/joined.ts";
import { MANY_ACTS } from "./acts/many.ts";
import { OUTSIDE_ACTS } from "./acts/outside.ts";
import { QUEUE_ACTS } from "./acts/queues.ts";
import { REPEATING_ACTS } from "./acts/repeating.ts";
import { SINGLE_ACTS } from "./acts/single.ts";
import type { Answer, Ask } from "./client.ts";

const ACTS: Record<string, Act> = {
  ...SINGLE_ACTS,
  ...FUNCTION_ACTS,
  ...QUEUE_ACTS,
  ...REPEATING_ACTS,
  ...DECISION_ACTS,
  ...MANY_ACTS,
  ...JOINED_ACTS,
  ...OUTSIDE_ACTS,
  ...CALENDAR_ACTS,
};
const TICKETS = Object.entries(ACTS).flatMap(([name, { weight }]) => Array<string>(weight).fill(name));
/** Of those that fire once: older ones have ended. */
const KEPT = 40;

/** @param count numbers the requests of a run: with the seed it makes their keys */
export function drawAct(random: Random, known: Known, seed: number, count: number): Ask {
  for (;;) {
    const act = random.pick(TICKETS);
    const drawn = ACTS[act]!.draw(random, known);
    if (!drawn) continue;
    const key = `torture-${seed}-${count}`;
    nameAfter(key, drawn);
    return { act, key, ...drawn };
  }
}

/** Names tell the oracle which request made a task, and keys which call an input is of, or which change a request. */
function nameAfter(key: string, { method, path, body }: Omit<Ask, "act" | "key">): void {
  if (path === "/v1/tasks" || method === "SQL") Object.assign(body!, { name: key });
  if (path === "/v1/tasks/batch")
    for (const [index, item] of (body as { items: object[] }).items.entries())
      Object.assign(item, { name: `${key}-${index}` });
  if (method === "PUT" || method === "PATCH") tellChange(key, body as { url?: string });
  if (path.startsWith("/v1/functions/gather/")) Object.assign(body!, { key });
}

function tellChange(key: string, body: { url?: string }): void {
  if (body.url !== undefined) body.url += `&change=${key}`;
}

export function learn(known: Known, { act, method, path }: Ask, { status, body }: Answer): void {
  const [, , , named, verb] = path.split("/");
  const id = body["id"] as string;
  if (act === "repeating" || act === "put") {
    if (status < 300 && !known.repeating.includes(id)) known.repeating.push(id);
  } else if (method === "POST" && path === "/v1/tasks" && status === 201) {
    remember(known.single, id);
    if (act === "http that fails") remember(known.failing, id);
  } else if (verb === "cancel") {
    known.repeating = known.repeating.filter((each) => each !== named);
  }
}

function remember(ids: string[], id: string): void {
  ids.push(id);
  if (ids.length > KEPT) ids.shift();
}
