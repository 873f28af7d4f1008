/** Who hears of runs that ended, in every role that ends any. */
import { unsentLevel } from "../queue/bounded-sends.ts";
import type { QueueTransport } from "../queue/transport.ts";
import type { Store } from "../store/database.ts";
import { grantPermits } from "../store/limits/grant-permits.ts";
import type { Notifier } from "../store/notify.ts";
import { pauseFailingTask } from "../store/tasks/pause-failing.ts";
import type { Logger } from "../telemetry/log.ts";
import type { RunEndMetrics } from "../telemetry/metrics/run-ends.ts";
import { countEnds } from "./count-ends.ts";
import { grantReturnedPermits } from "./grant-permits.ts";
import { makeCallbacksAtEnds } from "./make-callbacks.ts";
import { pauseFailingTasks } from "./pause-failing-tasks.ts";
import { publishDeadLetters } from "./publish-dead-letters.ts";
import { ringCallbacks } from "./ring-callbacks.ts";
import { createRunEnds, type EndConsumer, type RunEnds } from "./run-ends.ts";
import { tellFailures } from "./tell-failures.ts";
import { wakeCallers } from "./wake-callers.ts";
import { wakeErrorGroups } from "./wake-error-groups.ts";
import { wakeScheduler } from "./wake-scheduler.ts";

export interface RunEndsParts {
  store: Store;
  notifier: Notifier;
  transport: Pick<QueueTransport, "ring" | "publishDeadLetters">;
  log: Logger;
  metrics: RunEndMetrics;
  /** What lines of failed runs say besides. */
  traceOf?: Parameters<typeof tellFailures>[1];
}

const listConsumers = ({
  store,
  notifier,
  transport,
  log,
  metrics,
  traceOf,
}: RunEndsParts): EndConsumer[] => [
  countEnds(metrics),
  wakeCallers(notifier),
  wakeScheduler(notifier),
  wakeErrorGroups(notifier),
  publishDeadLetters(transport, (error) =>
    log[unsentLevel(error)]({ error }, "dead letters were not published; their rows stand"),
  ),
  grantReturnedPermits(
    (keys) => grantPermits(store, keys),
    (bells) => transport.ring(bells),
    (error) =>
      log[unsentLevel(error)]({ error }, "permits were not granted, or not rung; the scheduler does it"),
  ),
  makeCallbacksAtEnds(
    () => ringCallbacks(store, (bells) => transport.ring(bells), log),
    (error) =>
      log[unsentLevel(error)]({ error }, "callbacks were not made, or not rung; the scheduler does it"),
  ),
  tellFailures(log, traceOf),
  pauseFailingTasks(
    (namespaceId, taskId) => pauseFailingTask(store, namespaceId, taskId),
    ({ id: taskId, namespaceId, policy: { pauseAfterFailures: failures } }) => {
      metrics.tasksPaused.inc();
      log.warn({ taskId, namespaceId, failures }, "paused a task: its runs failed one after the other");
    },
    (error) => log.error({ error }, "a failing task was not looked at; its next failed run will do it"),
  ),
];

/** @param own what only this role does, such as metrics of its own */
export function openRunEnds(parts: RunEndsParts, own: EndConsumer[] = []): RunEnds {
  return createRunEnds([...listConsumers(parts), ...own], (error, consumer) =>
    parts.log.error({ error, consumer }, "what follows the end of runs failed"),
  );
}
