/**
 * A transport that is connected beside the work: who can find its runs in the table need not wait for a broker.
 * States: connecting → (failed → waiting →) connected → closed. What is rung while it connects waits for that try.
 */
import type { Clock } from "../clock.ts";
import type { Lane } from "./names.ts";
import type { BellHandler, Consumption, QueueTransport } from "./transport.ts";

const RETRY_MS = [250, 500, 1_000, 2_000, 5_000];

/** @param open rejects where it cannot connect; tried again until it can. The first use begins it. */
export function createLateTransport(
  name: QueueTransport["name"],
  open: () => Promise<QueueTransport>,
  clock: Clock,
  onError: (error: unknown) => void,
): QueueTransport {
  const closed = new AbortController();
  let connected: QueueTransport | undefined;
  let trying: Promise<QueueTransport> | undefined;

  function connect(): Promise<QueueTransport> {
    trying ??= open().then(
      (transport) => {
        connected = transport;
        if (closed.signal.aborted) void transport.close();
        return transport;
      },
      (error) => {
        trying = undefined;
        throw error;
      },
    );
    return trying;
  }

  async function consumeOnce(handler: BellHandler, lane: Lane | undefined, signal: AbortSignal) {
    const transport = await connect();
    return signal.aborted ? undefined : await transport.consume(handler, lane);
  }

  async function keepTrying(handler: BellHandler, lane: Lane | undefined, signal: AbortSignal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        return await consumeOnce(handler, lane, signal);
      } catch (error) {
        onError(error);
        await clock.sleep(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]!, signal);
      }
    }
    return undefined;
  }

  return {
    name,
    ring: async (bells, lane) => {
      if (bells.length > 0) await (await connect()).ring(bells, lane);
    },
    async consume(handler, lane): Promise<Consumption> {
      const stopped = new AbortController();
      const begun = keepTrying(handler, lane, AbortSignal.any([stopped.signal, closed.signal]));
      return {
        receiving: begun.then((consumption) => consumption?.receiving),
        async stop() {
          stopped.abort();
          // One that is joining its group leaves it again; one without a connection has nothing to leave.
          if (connected) await (await begun)?.stop();
        },
      };
    },
    publishDeadLetters: async (letters) => {
      if (letters.length > 0) await (await connect()).publishDeadLetters(letters);
    },
    async checkReady() {
      if (!connected) throw new Error("not connected yet");
      await connected.checkReady();
    },
    async close() {
      closed.abort();
      await connected?.close();
    },
  };
}
