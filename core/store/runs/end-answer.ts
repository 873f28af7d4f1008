/** What a statement that ends attempts answers: which of their runs were still their worker's, and what is told of each. */
import type { QueryResult, QueryResultRow } from "pg";
import type { TriedAttempt } from "./finished-attempt.ts";

export interface ToldOfEnd {
  awaited: boolean;
  permits?: string[] | null;
  wantedKeys?: string[] | null;
  /** Of all rows of a statement the same. */
  areFar?: boolean;
  nearKeys?: string[] | null;
}

interface EndRow extends ToldOfEnd {
  id: string;
  claimNo: number;
}

/** Of a statement that tells one by one only those of which there is more to say, or all where some are missing. */
interface CountedRow {
  moved: number;
  told: EndRow[] | null;
}

/** A row for each run, or one that counts them (`COUNTED` in finish-statements.ts). */
export type EndAnswer = "each" | "counted";

export interface RecordingStatement {
  name: string;
  text: string;
  answers: EndAnswer;
}

const NOTHING_TOLD: ToldOfEnd = { awaited: false, permits: null };

/** Those of the attempts whose runs were still their worker's, with what is told of them. */
export function readEndAnswer<A extends TriedAttempt>(
  { answers }: RecordingStatement,
  attempts: A[],
  { rows }: QueryResult<QueryResultRow>,
): [A, ToldOfEnd][] {
  if (answers === "each") return match(attempts, rows as EndRow[]);
  const [{ moved, told }] = rows as [CountedRow];
  const matched = match(attempts, told ?? []);
  if (moved < attempts.length) return matched;
  const toldOf = new Map(matched);
  return attempts.map((attempt) => [attempt, toldOf.get(attempt) ?? NOTHING_TOLD]);
}

/** A run may be in a batch twice, by the claim that was lost and by the one that took it back: its row is of one. */
function match<A extends TriedAttempt>(attempts: A[], rows: EndRow[]): [A, ToldOfEnd][] {
  if (rows.length === 0) return [];
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  return attempts.flatMap((attempt) => {
    const row = rowOf.get(attempt.runId);
    return row && row.claimNo === attempt.claimNo ? [[attempt, row]] : [];
  });
}
