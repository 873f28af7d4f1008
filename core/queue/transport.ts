/**
 * The doorbell. A bell says "this run is ready at that instant" and nothing else that matters: a lost one costs
 * delay (the sweeps find the run in the table), a double one costs a claim that finds nothing. With more bells than slots
 * it is a hint that there is work: the best run that is due comes first, whichever rang.
 */

import type { Lane } from "../domain/lane.ts";
import type { Hearing } from "./hearing.ts";

export interface Bell {
  runId: string;
  /** The run may not start before. Bells may ring a little ahead. */
  availableAt: Date;
  /** What made the run (W3C), for the sender's own trace; it does not travel: the row has it. */
  traceparent?: string | null | undefined;
}

export interface BellHandler {
  /**
   * These runs are ready. Resolves once each bell was dealt with: its run was claimed, is gone, has a timer, or was left
   * in the table for a better one; only then is the message acknowledged. Applies back-pressure: it does not resolve
   * while no slot is free.
   */
  onBells(bells: Bell[]): Promise<void>;
  /** Something may be ready: look in the table. */
  onHint(): void;
}

export interface Consumption {
  /** Whether what rings is heard. While it is not, the table is all there is. */
  hearing: Hearing;
  /** Receives nothing more; resolves when no handler call is under way. */
  stop(): Promise<void>;
}

export interface DeadLetter {
  runId: string;
  taskId: string | null;
  namespaceId: string;
  error: { code: string; message: string } | null;
  deadAt: string;
}

export interface QueueTransport {
  readonly name: "kafka" | "postgres";
  /** One send for the batch, on the lane `runs` unless another is named. Rejects when it could not be handed over. */
  ring(bells: Bell[], lane?: Lane): Promise<void>;
  /**
   * Begins to receive one lane, `runs` unless another is named, and goes on until it is stopped, however often the
   * queue breaks down meanwhile. Where the table is the queue, all lanes are one.
   */
  consume(handler: BellHandler, lane?: Lane): Promise<Consumption>;
  /** Tells whoever listens outside; the dead letter itself is a row. */
  publishDeadLetters(letters: DeadLetter[]): Promise<void>;
  /** Throws while the transport cannot carry, or a consumption of it does not hear. */
  checkReady(): Promise<void>;
  close(): Promise<void>;
}
