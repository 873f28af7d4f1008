/** The end of a call whose caller is connected: the caller gets the function's response, whose body is not recorded. */
import type { CutReason } from "../../core/contracts/call-stream.ts";
import type { DirectOutcome } from "../../core/contracts/direct-call.ts";
import type { HttpResult } from "../../core/contracts/http-call.ts";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { Json } from "../../core/json.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { asCut } from "./cut-call.ts";

/** What became of its caller. */
export interface Answered {
  /** Why it was cut off, if it was. */
  cut: CutReason | undefined;
  /** Of a call over HTTP: how much of the response's body streamed to it. */
  sentBytes?: number | undefined;
}

/** What the caller is told; undefined: nothing was recorded, and the run's row tells. */
export async function recordAnswered(
  ended: FinishedAttempt,
  { cut, sentBytes }: Answered,
  write: (attempt: FinishedAttempt) => Promise<FinishedAttempt | undefined>,
): Promise<DirectOutcome | undefined> {
  const attempt = cut ? asCut(ended, cut) : ended;
  const given = sentBytes === undefined ? attempt : withoutBody(attempt, sentBytes);
  const recorded = await write(given);
  if (!recorded) return undefined;
  // The database may refuse what it holds: then its caller hears what the run says.
  const isAsGiven = recorded.verdict === given.verdict;
  return toDirectOutcome(isAsGiven ? attempt.verdict : recorded.verdict);
}

function toDirectOutcome(verdict: RunVerdict): DirectOutcome {
  if (verdict.state === "succeeded") return { state: "succeeded", result: verdict.result };
  if (verdict.state === "cancelled") return { state: "cancelled" };
  return { state: "failed", error: verdict.error };
}

/** What is recorded of a response: its status and its size. */
function withoutBody(attempt: FinishedAttempt, sentBytes: number): FinishedAttempt {
  const { verdict } = attempt;
  if (verdict.state !== "succeeded") return attempt;
  const result = verdict.result as unknown as HttpResult;
  const bodyBytes = "body" in result ? Buffer.byteLength(result.body) : sentBytes;
  return {
    ...attempt,
    verdict: { state: "succeeded", result: { status: result.status, bodyBytes } as Json },
  };
}
