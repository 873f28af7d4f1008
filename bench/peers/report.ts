/** One table of all that was measured, and one of the goals, as Markdown that a terminal shows as well. */
import { spreadOf } from "../stats.ts";
import { judgeGoals } from "./goals.ts";
import type { FigureName, Measured, Result } from "./rounds.ts";

export interface Report {
  at: string;
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; postgres: string };
  versions: Record<string, string>;
  rounds: number;
  runs: number;
  results: Result[];
}

type Read = (measured: Measured) => number | undefined;

const round = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));

/** The median and the spread of the rounds; nothing where it was not measured. */
function tellSpread({ samples }: Result, read: Read): string {
  const values = samples.map(read).filter((value) => value !== undefined);
  if (values.length === 0) return "";
  const { p50, min, max } = spreadOf(values);
  return values.length === 1 ? round(p50) : `${round(p50)} (${round(min)}–${round(max)})`;
}

function medianOf({ samples }: Result, read: Read): number | undefined {
  const values = samples.map(read).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : spreadOf(values).p50;
}

const figure =
  (name: FigureName): Read =>
  ({ figures }) =>
    figures[name];

/** To the first system with the same work, round by round. */
function tellRatio(result: Result, results: Result[]): string {
  const first = results.find(({ work }) => work === result.work)!;
  if (first === result) return "1";
  for (const name of ["perSecond", "p50Ms"] as const) {
    const ratios = result.samples.flatMap(({ figures }, nth) => {
      const [own, other] = [figures[name], first.samples[nth]?.figures[name]];
      return own === undefined || other === undefined ? [] : [own / other];
    });
    if (ratios.length > 0) return spreadOf(ratios).p50.toFixed(2);
  }
  return "";
}

function tellProcessor(result: Result): string {
  const names = [...new Set(result.samples.flatMap(({ costs }) => Object.keys(costs?.processorUs ?? {})))];
  const all = names
    .map((name) => ({ name, us: medianOf(result, ({ costs }) => costs?.processorUs[name]) ?? 0 }))
    .filter(({ us }) => us >= 0.5)
    .toSorted((a, b) => b.us - a.us);
  if (all.length === 0) return "";
  const sum = medianOf(
    result,
    ({ costs }) => costs && Object.values(costs.processorUs).reduce((total, us) => total + us, 0),
  );
  return `${round(sum!)}: ${all.map(({ name, us }) => `${name} ${Math.round(us)}`).join(", ")}`;
}

function tellMemory(result: Result): string {
  const [proportional, resident] = [
    medianOf(result, ({ costs }) => costs?.proportionalMb),
    medianOf(result, ({ costs }) => costs?.residentMb),
  ];
  return proportional === undefined ? "" : `${round(proportional)} (${round(resident!)})`;
}

function tellMore(result: Result): string {
  const warm = tellSpread(result, figure("warmShare"));
  const executing = medianOf(result, figure("executingMb"));
  const share = tellSpread(result, figure("processorShare"));
  return [
    warm && `${warm} % warm`,
    executing === undefined ? "" : `what executes ${round(executing)} MB`,
    share && `${share} % of a core`,
  ]
    .filter(Boolean)
    .join("; ");
}

const HEAD = [
  "work",
  "system",
  "a second",
  "to the first",
  "p50 ms",
  "p99 ms",
  "processor, µs an item",
  "WAL, bytes an item",
  "memory, MB: proportional (resident)",
  "besides",
];

function toTable(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function toFigures(results: Result[]): string {
  let last = "";
  const rows = results.map((result) => {
    const work = result.work === last ? "" : result.work;
    last = result.work;
    return [
      work,
      result.system,
      tellSpread(result, figure("perSecond")),
      tellRatio(result, results),
      tellSpread(result, figure("p50Ms")),
      tellSpread(result, figure("p99Ms")),
      tellProcessor(result),
      tellSpread(result, ({ costs }) => costs?.walBytes).replace(/ \(.*/, ""),
      tellMemory(result),
      tellMore(result),
    ];
  });
  return toTable(HEAD, rows);
}

function toGoals(results: Result[]): string {
  const rows = judgeGoals(results).map(({ aim, goal, p50, min, max, isMet }) => [
    aim,
    goal,
    min === max ? round(p50) : `${round(p50)} (${round(min)}–${round(max)})`,
    isMet ? "met" : "**not met**",
  ]);
  return rows.length === 0 ? "" : toTable(["aim", "goal", "is", ""], rows);
}

export function toMarkdown({ at, machine, versions, rounds, runs, results }: Report): string {
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const day = at.slice(0, 10);
  return [
    `${day}, ${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}, PostgreSQL ${machine.postgres}, ${peers.join(", ")}; ${rounds === 1 ? "1 round" : `${rounds} rounds`} of ${runs.toLocaleString("en-US")} items. Medians, and the least and the most of the rounds.`,
    toFigures(results),
    toGoals(results),
  ]
    .filter(Boolean)
    .join("\n\n");
}
