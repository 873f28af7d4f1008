/** What `bellhop.enqueue` holds a task against: the schema of `POST /v1/tasks`, as far as a JSON Schema says it. */
import { z } from "zod";
import { taskInput } from "../../contracts/task-input.ts";
import type { JsonObject } from "../../json.ts";
import { NEWEST_MIGRATION } from "../migrate.ts";
import type { EnqueueContract } from "./sql-functions.ts";

export function describeEnqueue(): EnqueueContract {
  const schema = taskInput(() => new Date(0));
  const taskSchema = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" });
  return { release: NEWEST_MIGRATION, taskSchema: taskSchema as JsonObject };
}
