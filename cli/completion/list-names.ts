/** Names of the namespace's things, for whoever presses Tab: quickly, or not at all. */
import { unwrap } from "../../client/client.ts";
import { readProfiles } from "../profiles.ts";
import type { Session } from "../session.ts";
import { describeOrigin } from "../show-run.ts";
import { formatSchedule } from "../show-task.ts";
import type { Candidate, NamedThing } from "./find-candidates.ts";

const query = { limit: 200 } as const;
const RUNS = 20;

export async function listNames({ client, env }: Session, thing: NamedThing): Promise<Candidate[]> {
  switch (thing) {
    case "function": {
      const { items } = await unwrap(client.GET("/v1/functions", { params: { query } }));
      return items.map(({ name, revision }) => ({ value: name, description: `revision ${revision.number}` }));
    }
    case "task": {
      const { items } = await unwrap(client.GET("/v1/tasks", { params: { query } }));
      return items.map((task) => ({
        value: task.key ?? task.id,
        description: task.name ?? formatSchedule(task),
      }));
    }
    case "queue": {
      const { items } = await unwrap(client.GET("/v1/queues"));
      return items.map(({ name, waiting }) => ({ value: name, description: `${waiting} waiting` }));
    }
    case "run": {
      const { items } = await unwrap(client.GET("/v1/runs", { params: { query: { limit: RUNS } } }));
      return items.map((run) => ({ value: run.id, description: `${run.state} ${describeOrigin(run)}` }));
    }
    case "profile": {
      const { profiles } = await readProfiles(env);
      return Object.entries(profiles).map(([value, { url }]) => ({ value, description: url }));
    }
  }
}
