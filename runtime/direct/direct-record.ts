/**
 * How one direct run gets its rows. States: unseen → shown → recorded; unseen → recorded, where it ends before it is
 * shown; either → given up, where its API has recorded its end meanwhile: then it stops, and nothing more is written.
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectRun, FinishedDirectRun } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { AttemptStop } from "../attempt.ts";
import type { Showing } from "./call-response.ts";

/** A run that takes longer becomes visible as running. */
const SHOWN_AFTER_MS = 100;
/** A run whose API is gone and that the database cannot be asked about is stopped after so many tries. */
const CONFIRM_TRIES = 5;
const CONFIRM_RETRY_MS = 1_000;

export interface RecordParts {
  clock: Clock;
  /** Makes it visible as running; false: it was given up. */
  show(run: DirectRun): Promise<boolean>;
  /** Records one that was shown; false where it was not there, or somebody else's by then. */
  recordShown(attempt: FinishedAttempt): Promise<boolean>;
  /** Records one that nobody saw; false: it was given up. */
  recordEnded(run: FinishedDirectRun): Promise<boolean>;
  onError(error: unknown, runId: string): void;
}

export interface DirectRecord {
  /** Aborts with an `AttemptStop` where the run must not go on. */
  readonly stopped: AbortSignal;
  /** Whether its row is known to be in the table. */
  isShown(): boolean;
  show(): Promise<Showing>;
  /** Whoever asked for it is gone: it goes on where it is still this worker's. */
  confirm(): void;
  /** Whether what it became is recorded as this worker says. */
  end(attempt: FinishedAttempt): Promise<boolean>;
  /** Ends the wait for the moment at which it is shown. */
  close(): void;
}

/** @param ageMs how long ago it began */
export function createDirectRecord(
  parts: RecordParts,
  facts: Omit<DirectRun, "ageMs">,
  ageMs: () => number,
  isReserved: boolean,
): DirectRecord {
  const { clock } = parts;
  const { id, trigger, input, timeoutMs, traceparent } = facts;
  const stop = new AbortController();
  let isShown = isReserved;
  let isOver = false;
  let showing: Promise<Showing> | undefined = isReserved ? Promise.resolve("shown") : undefined;

  async function tryShowing(): Promise<Showing> {
    try {
      isShown = await parts.show({ ...facts, ageMs: ageMs() });
      if (!isShown) stop.abort(new AttemptStop("lost"));
      return isShown ? "shown" : "given_up";
    } catch (error) {
      parts.onError(error, id);
      return "unknown";
    }
  }

  function show(): Promise<Showing> {
    showing ??= tryShowing();
    return showing;
  }

  async function confirm(): Promise<void> {
    for (let tries = 1; !isOver; tries += 1) {
      if ((await show()) !== "unknown") return;
      if (tries === CONFIRM_TRIES) return stop.abort(new AttemptStop("cut_off"));
      await clock.sleep(CONFIRM_RETRY_MS);
      if (!isOver) showing = undefined;
    }
  }

  const forgetShowing = clock.after(SHOWN_AFTER_MS, () => void show());
  return {
    stopped: stop.signal,
    isShown: () => isShown,
    show,
    confirm: () => void confirm(),
    async end(attempt) {
      isOver = true;
      forgetShowing();
      const became = await showing;
      if (became === "given_up") return false;
      // Where showing it failed, its row may be there all the same.
      if (became !== undefined && (await parts.recordShown(attempt))) return true;
      if (became === "shown") return false;
      return await parts.recordEnded({
        ...attempt,
        ...{ trigger, input, timeoutMs, traceparent, durationMs: ageMs() },
      });
    },
    close() {
      isOver = true;
      forgetShowing();
    },
  };
}
