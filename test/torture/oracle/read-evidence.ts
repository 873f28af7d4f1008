/** Reads the evidence from its folder. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  BulkRecord,
  Completion,
  Evidence,
  Facts,
  Gathered,
  GivenSchedule,
  LeaseChange,
  LogLine,
  RecordedAnswer,
  RecordedFault,
  RunChange,
  RunRow,
  Sample,
  TakenMail,
  TargetRequest,
  TaskRecord,
  ToldEnd,
} from "./evidence.ts";

type Line = Record<string, unknown>;

export async function readEvidence(folder: string): Promise<Evidence> {
  const read = <T>(file: string) => readLines<T>(join(folder, file));
  const requests = await read<Line>("requests.jsonl");
  const ofEvent = <T>(event: string) => requests.filter((line) => line["event"] === event) as unknown as T[];
  const changes = await read<RunChange>("changes.jsonl");
  const rows = await read<RunRow>("rows.jsonl");
  const tasks = await read<TaskRecord>("tasks.jsonl");
  const schedules = await read<GivenSchedule>("schedules.jsonl");
  const leases = await read<LeaseChange>("leases.jsonl");
  const logs = await read<LogLine>("logs.jsonl");
  return {
    facts: JSON.parse(await readFile(join(folder, "facts.json"), "utf8")) as Facts,
    changes: Map.groupBy(changes, ({ runId }) => runId),
    rows: Map.groupBy(rows, ({ id }) => id),
    tasks: new Map(tasks.map((task) => [task.id, task])),
    schedules: Map.groupBy(schedules, ({ taskId }) => taskId),
    bulks: await read<BulkRecord>("bulks.jsonl"),
    leases: Map.groupBy(leases, ({ workerId }) => workerId),
    requests: toRequests(requests),
    mails: ofEvent<TakenMail>("mail"),
    told: ofEvent<ToldEnd>("called"),
    gathered: ofEvent<Gathered>("gathered"),
    completions: ofEvent<Completion>("completed"),
    logs: Map.groupBy(logs, ({ runId }) => runId),
    answers: await read<RecordedAnswer>("answers.jsonl"),
    faults: await read<RecordedFault>("faults.jsonl"),
    samples: await read<Sample>("samples.jsonl"),
  };
}

/** None where there is no file: nothing of the kind happened. */
async function readLines<T>(path: string): Promise<T[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** Those that tell of no run are nobody's. */
function toRequests(lines: Line[]): Map<string, TargetRequest[]> {
  const ends = new Map(lines.filter(({ event }) => event === "end").map((line) => [line["seq"], line]));
  const requests = lines
    .filter(({ event, runId }) => event === "begin" && runId)
    .map((line): TargetRequest => {
      const end = ends.get(line["seq"]);
      return {
        ...{ beganAt: line["at"] as number, endedAt: (end?.["at"] as number | undefined) ?? Infinity },
        ...{ how: (end?.["how"] as string | undefined) ?? null, runId: line["runId"] as string },
        ...{ attempt: line["attempt"] as number, path: line["path"] as string },
        change: (line["change"] as string | undefined) ?? null,
      };
    });
  return Map.groupBy(requests, ({ runId }) => runId);
}
