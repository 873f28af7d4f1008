/** Rings runs the API made, after its commits: what gathers while one send is under way shares the next. */
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
    while (waiting.length > 0) await transport.ring(waiting.splice(0, BELLS_PER_SEND)).catch(onError);
    sending = undefined;
  }

  return {
    ring(bells) {
      waiting.push(...bells);
      if (waiting.length > 0) sending ??= drain();
    },
    async flush() {
      await sending;
    },
  };
}
