/** From the answers of single runs to the figures of a folder; pure. */

import { type Judged, type Kind, WHOLE_FILE } from "./expectations.ts";
import type { RunAnswer } from "./targets.ts";

export interface Failure {
  name: string;
  status: string;
  message: string;
}

/** One file on one target, all its variants together. */
export interface FileResult {
  passes: number;
  failures: Failure[];
  /** Failures whose names did not fit the answer. */
  unnamed: number;
}

/**
 * A harness that was not content, and a run without an answer, count as one failure named WHOLE_FILE: what a file
 * would have said is not known.
 */
export function foldAnswers(answers: readonly RunAnswer[]): FileResult {
  const folded: FileResult = { passes: 0, failures: [], unnamed: 0 };
  for (const answer of answers) {
    if ("error" in answer) {
      folded.failures.push({ name: WHOLE_FILE, status: "CRASH", message: answer.error });
      continue;
    }
    folded.passes += answer.passes;
    folded.unnamed += answer.left;
    for (const [name, status, message] of answer.failures) folded.failures.push({ name, status, message });
    if (answer.harness !== "OK") {
      folded.failures.push({ name: WHOLE_FILE, status: answer.harness, message: answer.message });
    }
  }
  return folded;
}

export function totalOf({ passes, failures, unnamed }: FileResult): number {
  return passes + failures.length + unnamed;
}

export interface FileReport {
  path: string;
  sandbox?: FileResult;
  node?: FileResult;
  /** Of the sandbox's failures. */
  judged?: Judged;
}

export interface Figures {
  files: number;
  skipped: number;
  sandbox: { passes: number; total: number } | undefined;
  node: { passes: number; total: number } | undefined;
  expected: number;
  /** Expected failures that say nothing of a runtime outside a browser. */
  notOurs: number;
  unexpected: number;
  stale: number;
}

const NOT_OURS: readonly Kind[] = ["browser", "server"];

export function tally(reports: readonly FileReport[], skipped: number): Figures {
  const figures: Figures = {
    files: reports.length,
    skipped,
    sandbox: sumOf(reports.flatMap(({ sandbox }) => sandbox ?? [])),
    node: sumOf(reports.flatMap(({ node }) => node ?? [])),
    expected: 0,
    notOurs: 0,
    unexpected: 0,
    stale: 0,
  };
  for (const { judged, sandbox } of reports) {
    if (!judged) continue;
    for (const [kind, count] of Object.entries(judged.expected) as [Kind, number][]) {
      figures.expected += count;
      if (NOT_OURS.includes(kind)) figures.notOurs += count;
    }
    figures.unexpected += judged.unexpected.length + (sandbox?.unnamed ?? 0);
    figures.stale += judged.stale.length;
  }
  return figures;
}

function sumOf(results: readonly FileResult[]): Figures["sandbox"] {
  if (results.length === 0) return undefined;
  const sum = { passes: 0, total: 0 };
  for (const result of results) {
    sum.passes += result.passes;
    sum.total += totalOf(result);
  }
  return sum;
}

/** The sum of folders' figures. */
export function addFigures(all: readonly Figures[]): Figures {
  const add = (pick: (figures: Figures) => number) => all.reduce((sum, figures) => sum + pick(figures), 0);
  const addSums = (key: "sandbox" | "node") =>
    all.some((figures) => figures[key])
      ? { passes: add((f) => f[key]?.passes ?? 0), total: add((f) => f[key]?.total ?? 0) }
      : undefined;
  return {
    files: add(({ files }) => files),
    skipped: add(({ skipped }) => skipped),
    sandbox: addSums("sandbox"),
    node: addSums("node"),
    expected: add(({ expected }) => expected),
    notOurs: add(({ notOurs }) => notOurs),
    unexpected: add(({ unexpected }) => unexpected),
    stale: add(({ stale }) => stale),
  };
}

/** Percent of passes in what applies outside a browser; undefined where nothing does. */
export function applicablePercent({ sandbox, notOurs }: Figures): number | undefined {
  if (!sandbox || sandbox.total <= notOurs) return undefined;
  return (100 * sandbox.passes) / (sandbox.total - notOurs);
}
