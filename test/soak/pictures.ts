/** What is drawn of a soak, and how much of it may grow. */
import type { Curve } from "./draw.ts";
import { type Allowance, tellGrowth } from "./judge.ts";
import type { Sample } from "./sample.ts";

interface Figure {
  /** As samples have it. */
  name: string;
  label?: string;
  /** None: it is shown, and may grow. */
  allowed?: Allowance;
}

interface PictureKind {
  file: string;
  title: string;
  unit: string;
  figures: Figure[];
}

const ROLES = ["api", "scheduler", "worker"] as const;
const ofRoles = (what: string, allowed: Allowance): Figure[] =>
  ROLES.map((role) => ({ name: `${role} ${what}`, label: role, allowed }));

/** A leak of two megabytes a minute is found in twenty. */
const MEMORY = { share: 0.1, least: 15 };
/** Between collections it swings; what they leave may not grow. */
const HEAP = { ...MEMORY, lowOfSeconds: 120 };
/** What else the machine does shows in it. */
const TIME = { share: 1, least: 25 };

export const PICTURES: readonly PictureKind[] = [
  {
    ...{ file: "memory", title: "Memory of processes", unit: "MB" },
    figures: [
      ...ofRoles("memory", MEMORY),
      { name: "executors memory", label: "executors", allowed: { ...MEMORY, least: 30 } },
    ],
  },
  { file: "heap", title: "JavaScript heap in use", unit: "MB", figures: ofRoles("heap", HEAP) },
  {
    ...{ file: "descriptors", title: "Open descriptors", unit: "" },
    figures: ofRoles("descriptors", { share: 0.1, least: 10 }),
  },
  {
    ...{ file: "connections", title: "Connections to PostgreSQL", unit: "" },
    figures: ofRoles("connections", { share: 0.1, least: 3 }),
  },
  {
    ...{ file: "lag", title: "Lag of the event loop, mean", unit: "ms" },
    figures: ofRoles("lag", TIME),
  },
  {
    ...{ file: "tables", title: "Tables with their indexes", unit: "MB" },
    figures: [
      { name: "table of open runs", label: "open runs", allowed: { share: 0.15, least: 4 } },
      { name: "table of tasks", label: "tasks", allowed: { share: 0.15, least: 4 } },
      { name: "other tables", label: "others", allowed: { share: 0.15, least: 4 } },
      { name: "days' tables", label: "days", allowed: { share: 0.2, least: 10 } },
    ],
  },
  {
    ...{ file: "partitions", title: "Partitions of runs and logs", unit: "" },
    figures: [{ name: "partitions", allowed: { share: 0, least: 4 } }],
  },
  {
    ...{ file: "rows", title: "Dead rows, and open runs", unit: "" },
    figures: [
      { name: "dead rows", allowed: { share: 0.5, least: 10_000 } },
      { name: "open runs", allowed: { share: 0.3, least: 300 } },
      { name: "overdue runs", allowed: { share: 0.3, least: 50 } },
    ],
  },
  {
    ...{ file: "times", title: "A claim, a recording, and how late runs start, mean", unit: "ms" },
    figures: [
      { name: "claim", allowed: TIME },
      { name: "recording", allowed: TIME },
      // Of runs that wait for limits, too.
      { name: "lateness" },
    ],
  },
];

const pointsOf = (samples: readonly Sample[], name: string) =>
  samples.flatMap(({ atSeconds, figures }) => {
    const value = figures[name];
    return value === undefined ? [] : [{ atSeconds, value }];
  });

export const curvesOf = (samples: readonly Sample[], { figures }: PictureKind): Curve[] =>
  figures.map(({ name, label = name }) => ({ label, points: pointsOf(samples, name) }));

/** A sentence of each figure that grows. */
export function findFaults(samples: readonly Sample[]): string[] {
  return PICTURES.flatMap(({ unit, figures }) =>
    figures.flatMap(({ name, allowed }) =>
      allowed ? (tellGrowth(name, unit, pointsOf(samples, name), allowed) ?? []) : [],
    ),
  );
}
