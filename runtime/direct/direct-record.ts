/**
 * How one direct run gets its rows. States: unseen → shown → recorded; unseen → recorded, if it ends before it is
 * shown; either → given up, if its API has recorded its end meanwhile: then it stops, and nothing more is written.
 */
import type { Clock } from "../../core/clock.ts";
import { keepOriginal } from "../../core/domain/kept-input.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import type { DirectRun, FinishedDirectRun } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { AttemptStop } from "../attempt-stop.ts";
import type { Showing } from "./call-response.ts";

/** A run that takes longer becomes visible as running. */
const SHOWN_AFTER_MS = 100;
/** Where the database does not answer, it is asked again. */
const SHOW_RETRY_MS = 1_000;
/** A run whose API is gone and that the database cannot be asked about is stopped after this long. */
const CONFIRMED_WITHIN_MS = 5_000;

export interface RecordParts {
  clock: Clock;
  /** Makes it visible as running; false: it was given up. */
  show(run: DirectRun): Promise<boolean>;
  /** Records one that was shown, and answers what was recorded; undefined where it was not there, or somebody else's by then. */
  recordShown(attempt: FinishedAttempt): Promise<FinishedAttempt | undefined>;
  /** Records one that nobody saw, and answers what was recorded; undefined: it was given up. */
  recordEnded(run: FinishedDirectRun): Promise<FinishedAttempt | undefined>;
  /** Whether the worker's lease stands, by its own clock. */
  hasLease(): boolean;
  onError(error: unknown, runId: string): void;
}

export interface DirectRecord {
  /** Aborted with an `AttemptStop` where the run must not go on. */
  readonly stopped: LazyAbort;
  /** Whether its row is known to be in the table. */
  isShown(): boolean;
  /** Resolves once it is known whether it may go on, or it has ended. */
  show(): Promise<Showing>;
  /** What was recorded of it, as this worker says it or as the database takes it; undefined where nothing of that was. */
  end(attempt: FinishedAttempt): Promise<FinishedAttempt | undefined>;
  /** Ends the wait for the moment at which it is shown. */
  close(): void;
}

/**
 * @param ageMs how long ago it began
 * @param gone whoever asked for it is gone: it goes on where it is still this worker's
 */
export function createDirectRecord(
  parts: RecordParts,
  facts: Omit<DirectRun, "ageMs">,
  ageMs: () => number,
  isReserved: boolean,
  gone: LazyAbort,
): DirectRecord {
  const { clock } = parts;
  const { id, trigger, target, input, timeoutMs, traceparent } = facts;
  const stopped = new LazyAbort();
  const over = new LazyAbort();
  let isShown = isReserved;
  let hasTold = false;
  let showing: Promise<Showing> | undefined = isReserved ? Promise.resolve("shown") : undefined;

  async function tryShowing(): Promise<Showing> {
    // A rescue would take the row of a worker that the database may know nothing of.
    if (!parts.hasLease()) return "unknown";
    try {
      isShown = await parts.show({ ...facts, ageMs: ageMs() });
      if (!isShown) stopped.abort(new AttemptStop("lost"));
      return isShown ? "shown" : "given_up";
    } catch (error) {
      if (!hasTold) parts.onError(error, id);
      hasTold = true;
      return "unknown";
    }
  }

  async function showForSure(): Promise<Showing> {
    for (;;) {
      const became = await tryShowing();
      if (became !== "unknown" || over.aborted) return became;
      await clock.sleep(SHOW_RETRY_MS, over.signal);
      if (over.aborted) return became;
    }
  }

  function show(): Promise<Showing> {
    showing ??= showForSure();
    return showing;
  }

  async function confirm(): Promise<void> {
    if (!isShown) {
      const late = clock.sleep(CONFIRMED_WITHIN_MS, over.signal).then(() => "unknown" as const);
      if ((await Promise.race([show(), late])) !== "unknown" || over.aborted) return;
    } else if (parts.hasLease()) return;
    stopped.abort(new AttemptStop("cut_off"));
  }

  const forgetShowing = clock.after(SHOWN_AFTER_MS, () => void show());
  if (gone.aborted) void confirm();
  const forgetGone = gone.onAbort(() => void confirm());
  const close = () => {
    over.abort();
    forgetShowing();
    forgetGone();
  };
  return {
    stopped,
    isShown: () => isShown,
    show,
    close,
    async end(ended) {
      close();
      const attempt = { ...ended, hasOwnClock: true as const };
      const became = await showing;
      if (became === "given_up") return undefined;
      // A write whose answer was lost may have been committed: the row may exist.
      const recorded = became === undefined ? undefined : await parts.recordShown(attempt);
      if (recorded || became === "shown") return recorded;
      return await parts.recordEnded({
        ...attempt,
        ...{ trigger, target, timeoutMs, traceparent, durationMs: ageMs() },
        input: attempt.record.input ? (attempt.input ?? null) : input,
        originalInput:
          attempt.verdict.state === "succeeded"
            ? undefined
            : keepOriginal(input, trigger, attempt.record.input),
      });
    },
  };
}
