/**
 * A transport that is connected beside the work: who can find its runs in the table need not wait for a broker.
 * States: idle → (resting →) connecting → (failed → waiting → connecting …) → connected → closed. The first use begins it, or
 * `connect`. What is rung while a try is under way waits for that try; what is rung between two tries is refused. A
 * connection mends itself; consumers are supervised (supervise-consumer.ts).
 */
import type { Clock } from "../clock.ts";
import type { Lane } from "../domain/lane.ts";
import { createHearing } from "./hearing.ts";
import { backoffMs, createPatience } from "./patience.ts";
import { type Member, type SupervisionReport, superviseConsumer } from "./supervise-consumer.ts";
import type { BellHandler, Consumption, QueueTransport } from "./transport.ts";

/** A queue that answers. */
export interface ConnectedQueue extends Omit<QueueTransport, "name" | "consume"> {
  /** One membership in the group of the lane. Rejects where it cannot be had, soon where the signal aborts. */
  join(handler: BellHandler, lane: Lane, signal: AbortSignal): Promise<Member>;
}

export interface LateReport {
  connected(): void;
  /** Tried again by itself. */
  notConnected(error: unknown): void;
  /** Of a lane that is consumed. */
  ofLane(lane: Lane): SupervisionReport;
}

export interface LateParts {
  name: QueueTransport["name"];
  /** Rejects where it cannot connect. */
  open(): Promise<ConnectedQueue>;
  /** Whether waiting is no use: the broker answers, and says no. */
  isRefusal(error: unknown): boolean;
  clock: Clock;
  random(): number;
  report: LateReport;
  /** So long after the first use it is opened; default at once. */
  restMs?: number;
}

export interface LateTransport extends QueueTransport {
  /** Begins to connect before the first use. */
  connect(): void;
}

export function createLateTransport({
  name,
  open,
  isRefusal,
  clock,
  random,
  report,
  restMs = 0,
}: LateParts): LateTransport {
  const closed = new AbortController();
  const opened = Promise.withResolvers<ConnectedQueue | undefined>();
  const consumptions = new Set<Consumption>();
  let connected: ConnectedQueue | undefined;
  let hasBegun = false;
  let trying: Promise<ConnectedQueue> | undefined;
  let lastError: unknown = new Error("not connected yet");
  const onFailed = new Set<(error: unknown) => void>();

  async function openAfterRest(): Promise<ConnectedQueue> {
    if (restMs > 0) await clock.sleep(restMs, closed.signal);
    if (closed.signal.aborted) throw new Error("closed before it was opened");
    return await open();
  }

  async function keepTrying(): Promise<void> {
    for (let failures = 1; !closed.signal.aborted; failures += 1) {
      trying = failures === 1 ? openAfterRest() : open();
      try {
        connected = await trying;
        if (closed.signal.aborted) return await connected.close();
        report.connected();
        return opened.resolve(connected);
      } catch (error) {
        trying = undefined;
        lastError = error;
        if (closed.signal.aborted) return;
        report.notConnected(error);
        for (const tell of onFailed) tell(error);
        await clock.sleep(backoffMs(failures, random()), closed.signal);
      }
    }
  }

  function connect(): void {
    if (!hasBegun) void keepTrying();
    hasBegun = true;
  }

  async function useQueue(): Promise<ConnectedQueue> {
    connect();
    if (!trying) throw lastError;
    return await trying;
  }

  /** Resolves with nothing where it was closed before. */
  async function whenConnected(lane: Lane, signal: AbortSignal): Promise<ConnectedQueue | undefined> {
    const patience = createPatience({ clock, isRefusal, askBroker: () => Promise.reject(lastError) });
    const tell = (error: unknown) =>
      void patience.failed(error).then((hopeless) => hopeless && report.ofLane(lane).hopeless(hopeless));
    const stopped = new Promise<undefined>((resolve) => {
      signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    onFailed.add(tell);
    connect();
    return await Promise.race([opened.promise, stopped]).finally(() => onFailed.delete(tell));
  }

  function supervise(queue: ConnectedQueue, handler: BellHandler, lane: Lane): Consumption {
    return superviseConsumer({
      join: (signal) => queue.join(handler, lane, signal),
      patience: createPatience({ clock, isRefusal, askBroker: () => queue.checkReady() }),
      ...{ clock, random, report: report.ofLane(lane) },
    });
  }

  return {
    name,
    connect,
    ring: async (bells, lane) => {
      if (bells.length > 0) await (await useQueue()).ring(bells, lane);
    },
    async consume(handler, lane = "runs") {
      const stopped = new AbortController();
      const hearing = createHearing();
      const begun = whenConnected(lane, stopped.signal).then((queue) => {
        if (!queue || stopped.signal.aborted) return undefined;
        const consumption = supervise(queue, handler, lane);
        consumption.hearing.watch(hearing.set);
        return consumption;
      });
      const consumption: Consumption = {
        hearing,
        async stop() {
          consumptions.delete(consumption);
          hearing.end();
          stopped.abort();
          await (await begun)?.stop();
        },
      };
      consumptions.add(consumption);
      return consumption;
    },
    publishDeadLetters: async (letters) => {
      if (letters.length > 0) await (await useQueue()).publishDeadLetters(letters);
    },
    async checkReady() {
      if (!connected) throw new Error("not connected yet");
      await connected.checkReady();
      for (const { hearing } of consumptions) {
        if (!hearing.isHeard) throw new Error("bells are not heard: the consumer is not in its group");
      }
    },
    async close() {
      closed.abort();
      await Promise.all([...consumptions].map((consumption) => consumption.stop()));
      await connected?.close();
    },
  };
}
