/** The dead-letter topic, for who listens outside; the dead letters themselves are rows. */
import type { DeadLetter, QueueTransport } from "../queue/transport.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

export function publishDeadLetters(
  transport: Pick<QueueTransport, "publishDeadLetters">,
  onError: (error: unknown) => void,
): EndConsumer {
  let publishing: Promise<unknown> = Promise.resolve();
  return {
    name: "publish dead letters",
    final: null,
    dead(runs) {
      const published = transport.publishDeadLetters(runs.map(toDeadLetter)).catch(onError);
      publishing = Promise.all([publishing, published]);
    },
    scheduled: null,
    givenBack: null,
    async flush() {
      await publishing;
    },
  };
}

function toDeadLetter({ runId, taskId, namespaceId, error, endedAt }: EndedRun): DeadLetter {
  return {
    ...{ runId, taskId, namespaceId },
    error: error && { code: error.code, message: error.message },
    deadAt: endedAt.toISOString(),
  };
}
