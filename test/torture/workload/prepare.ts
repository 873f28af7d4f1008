/** Deploys the functions and makes the queues, the calendar and the webhook that the work needs. */
import { CALENDAR } from "./acts/calendars.ts";
import { DEPLOYMENTS } from "./acts/functions.ts";
import { QUEUES } from "./acts/queues.ts";
import type { Answer, Ask, WorkClient } from "./client.ts";

const HOOK: Ask = {
  ...{ act: "make a hook", key: "hook", method: "POST", path: "/v1/functions/errand/hooks" },
  body: { name: "the shop", maxAttempts: 4 },
};

/** @returns the path of the webhook */
export async function prepareWork(client: WorkClient): Promise<string> {
  const asks: Ask[] = [
    ...DEPLOYMENTS.map(({ name, source, limits }) => ({
      ...{ act: "deploy", key: `deploy-${name}`, method: "PUT" as const, path: `/v1/functions/${name}` },
      body: { source, ...(limits ? { limits } : {}) },
    })),
    ...Object.entries(QUEUES).map(([name, limits]) => ({
      ...{ act: "queue", key: `queue-${name}`, method: "PUT" as const, path: `/v1/queues/${name}` },
      body: limits,
    })),
    {
      ...{ act: "calendar", key: "calendar", method: "PUT", path: `/v1/calendars/${CALENDAR}` },
      body: { dates: [] },
    },
  ];
  for (const ask of asks) await demand(client, ask);
  const { body } = await demand(client, HOOK);
  return `/hooks/${body["token"]}`;
}

async function demand(client: WorkClient, ask: Ask): Promise<Answer> {
  const answer = await client.ask(ask);
  if (answer && answer.status < 300) return answer;
  throw new Error(`${ask.method} ${ask.path} answered ${JSON.stringify(answer)}`);
}
