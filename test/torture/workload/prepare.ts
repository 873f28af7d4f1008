/** Deploys the functions and makes the queues that the work needs. */
import { DEPLOYMENTS } from "./acts/functions.ts";
import { QUEUES } from "./acts/queues.ts";
import type { Ask, WorkClient } from "./client.ts";

export async function prepareWork(client: WorkClient): Promise<void> {
  const asks: Ask[] = [
    ...DEPLOYMENTS.map(({ name, source, limits }) => ({
      ...{ act: "deploy", key: `deploy-${name}`, method: "PUT" as const, path: `/v1/functions/${name}` },
      body: { source, ...(limits ? { limits } : {}) },
    })),
    ...Object.entries(QUEUES).map(([name, limits]) => ({
      ...{ act: "queue", key: `queue-${name}`, method: "PUT" as const, path: `/v1/queues/${name}` },
      body: limits,
    })),
  ];
  for (const ask of asks) {
    const answer = await client.ask(ask);
    if (!answer || answer.status >= 300)
      throw new Error(`${ask.method} ${ask.path} answered ${JSON.stringify(answer)}`);
  }
}
