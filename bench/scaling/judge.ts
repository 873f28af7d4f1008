/** Whether what was shown is what is promised. Pure. */
import type { Conclusion } from "./observe.ts";
import type { Moment } from "./timeline.ts";

export interface Verdict {
  holds: boolean;
  says: string;
}

export function judge(moments: Moment[], runs: number, maxWorkers: number, end: Conclusion): Verdict[] {
  const firstBusy = moments.findIndex(({ waiting, running, ended }) => waiting + running + ended > 0);
  const idle = moments.slice(0, firstBusy < 0 ? moments.length : firstBusy);
  const most = Math.max(...moments.map(({ workers }) => workers));
  const last = moments.at(-1)!;
  return [
    {
      holds: idle.length > 0 && idle.every(({ workers }) => workers === 0),
      says: `idle for ${Math.round((idle.at(-1)?.elapsedMs ?? 0) / 1_000)} s: no worker process`,
    },
    { holds: most > 0 && most <= 2 * maxWorkers, says: `${most} worker processes at the most` },
    {
      holds: end.succeeded === runs && end.others === 0,
      says: `${end.succeeded} of ${runs} runs succeeded, ${end.others} did not`,
    },
    { holds: end.calls === runs, says: `the place they called was called ${end.calls} times` },
    { holds: last.workers === 0, says: `in the end ${last.workers} worker processes` },
    {
      holds:
        end.succeededByPrometheus === runs &&
        end.mostWorkersByPrometheus > 0 &&
        end.workersByPrometheus === 0,
      says: `Prometheus saw ${end.succeededByPrometheus} succeed, ${end.mostWorkersByPrometheus} workers up at the most and ${end.workersByPrometheus} in the end`,
    },
  ];
}
