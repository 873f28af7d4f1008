/** Namespaces, tasks and functions written through the store, for tests that start from rows. */
import type { TaskInput } from "../../core/contracts/task-input.ts";
import { DEFAULT_RETRY } from "../../core/domain/retry.ts";
import type { Store } from "../../core/store/database.ts";
import { deployRevision } from "../../core/store/functions/functions.ts";
import { newId } from "../../core/store/ids.ts";
import { ensureNamespace } from "../../core/store/keys.ts";
import { type CreatedTask, createTask } from "../../core/store/tasks/create.ts";

/** A namespace of its own. */
export async function seedNamespace(store: Store): Promise<string> {
  return await ensureNamespace(store.db, `n${newId()}`);
}

/** An http task; without a schedule it comes with its queued run. */
export async function seedTask(
  store: Store,
  namespaceId: string,
  given: Partial<TaskInput> = {},
  now: Date = new Date(),
): Promise<CreatedTask> {
  const input: TaskInput = {
    name: null,
    spec: { type: "http", method: "GET", url: "http://127.0.0.1:9/", headers: {}, followRedirects: true },
    schedule: { kind: "now" },
    retry: DEFAULT_RETRY,
    timeoutMs: 30_000,
    deadLetter: true,
    labels: {},
    ...given,
  };
  return await createTask(store, namespaceId, input, null, now);
}

/** The queued run of a new task without a schedule. */
export async function seedRun(
  store: Store,
  namespaceId: string,
  given: Partial<TaskInput> = {},
): Promise<{ taskId: string; runId: string; availableAt: Date }> {
  const { task, run } = await seedTask(store, namespaceId, given);
  return { taskId: task.id, ...run! };
}

/** A function with one revision; its code is never run. */
export async function seedFunction(store: Store, namespaceId: string, name: string): Promise<string> {
  const { fn } = await deployRevision(store.db, namespaceId, name, {
    contentHash: newId(),
    entry: "index.ts",
    files: { "index.ts": "export default () => null" },
    code: "module.exports = { default: () => null }",
    sourceMap: "{}",
  });
  return fn.id;
}
