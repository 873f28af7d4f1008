/**
 * Rings runs the API made, after its commits: what gathers while one send is under way shares the next. Where a send
 * fails, what gathered meanwhile is given up with it: sends that fail take longer than bells take to come.
 */
import type { Bell, QueueTransport } from "../core/queue/transport.ts";

export interface RunRinger {
  /** Never waits, never throws: a bell that is not sent is rung by the scheduler's sweep. */
  ring(bells: Bell[]): void;
  flush(): Promise<void>;
}

const BELLS_PER_SEND = 1_000;

export function createRunRinger(
  transport: Pick<QueueTransport, "ring">,
  onError: (error: unknown) => void,
): RunRinger {
  const waiting: Bell[] = [];
  let sending: Promise<void> | undefined;

  async function drain(): Promise<void> {
    // One turn later, so that requests answered in the same turn travel together.
    await Promise.resolve();
    while (waiting.length > 0) {
      try {
        await transport.ring(waiting.splice(0, BELLS_PER_SEND));
      } catch (error) {
        waiting.length = 0;
        onError(error);
      }
    }
    sending = undefined;
  }

  return {
    ring(bells) {
      // One by one: a bulk may be more than one call takes as arguments.
      for (const bell of bells) waiting.push(bell);
      if (waiting.length > 0) sending ??= drain();
    },
    async flush() {
      await sending;
    },
  };
}
