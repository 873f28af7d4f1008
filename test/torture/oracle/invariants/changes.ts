/** A change of a task wins or loses cleanly. */
import type { Evidence, Invariant, RecordedAnswer, RunChange } from "../evidence.ts";
import { isDone, showInstant } from "../evidence.ts";

/** Of what a request of the work brought; undefined: it changed nothing that the target sees. */
const changeOf = ({ body }: RecordedAnswer) =>
  new URLSearchParams(String(body?.["url"]).split("?")[1]).get("change") ?? undefined;

export const changesWin: Invariant = {
  name: "changes-win",
  holds:
    "No attempt that is claimed after the answer to a change of its task is made by what the task was before.",
  *find({ answers, requests, changes }: Evidence) {
    const asked = answers.filter((answer) => changeOf(answer) !== undefined);
    const byKey = new Map(asked.map((answer) => [changeOf(answer)!, answer]));
    const byTask = Map.groupBy(
      asked.filter(({ status }) => status >= 200 && status < 300),
      ({ answer }) => answer["id"] as string,
    );
    for (const [runId, ofRun] of requests) {
      const life = changes.get(runId) ?? [];
      const ofTask = byTask.get(life[0]?.taskId ?? "");
      if (!ofTask) continue;
      for (const { beganAt, change } of ofRun) {
        const claimedAt = claimBefore(life, beganAt);
        const madeBy = change === null ? null : byKey.get(change);
        if (claimedAt === undefined || madeBy === undefined) continue;
        if (madeBy && !isDone(madeBy, claimedAt)) continue;
        const newer = ofTask.find(
          ({ firstAt, at }) => at < claimedAt && (madeBy === null || madeBy.at < firstAt),
        );
        if (newer)
          yield `run ${runId}, claimed at ${showInstant(claimedAt)}, was made by ${change ?? "what its task was at first"}, and ${newer.key} had been answered`;
      }
    }
  },
};

/** When the attempt was claimed that calls at this instant. */
function claimBefore(life: readonly RunChange[], instant: number): number | undefined {
  const claims = life.filter(
    ({ op, state, at }, index) =>
      op !== "D" && state === "running" && life[index - 1]?.state === "queued" && at <= instant,
  );
  return claims.at(-1)?.at;
}
