/** The tables of docs/schedules.md, so that each example stands in one place. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const SCHEDULES = readFileSync(join(import.meta.dirname, "../../docs/schedules.md"), "utf8");

export interface Table {
  head: string[];
  rows: string[][];
}

const toCells = (line: string) => line.slice(2, -2).split(" | ");

const TABLES: Table[] = [...SCHEDULES.matchAll(/^\| .+ \|\n\|[-|]+\|\n(?:\| .+ \|\n)+/gm)].map(([text]) => {
  const [head, , ...rows] = text.trimEnd().split("\n");
  return { head: toCells(head!), rows: rows.map(toCells) };
});

/** Those whose heads end with these cells. */
export function readTables(...lastCells: string[]): Table[] {
  const found = TABLES.filter(({ head }) => head.slice(-lastCells.length).join("|") === lastCells.join("|"));
  if (found.length === 0) throw new Error(`docs/schedules.md has no table with ${lastCells.join(", ")}`);
  return found;
}

export const readRows = (...lastCells: string[]): string[][] =>
  readTables(...lastCells).flatMap(({ rows }) => rows);

/** What stands in a cell as code. */
export const toCode = (cell: string): string => cell.replace(/^`(.+)`$/, "$1");

/** As the document writes an instant. */
export const showInstant = (at: Date | null): string =>
  at === null ? "never" : at.toISOString().replace(".000Z", "Z").replace(/:00Z$/, "Z");
