/** The text of docs/api.md. */
import { readFileSync } from "node:fs";

export const MARKDOWN = readFileSync(new URL("../../../docs/api.md", import.meta.url), "utf8");

/** As statements quote it. */
export const withoutBackticks = (markdown: string) => markdown.replaceAll("`", "");

/** The table with this head, to its last row. */
export function readTable(head: string): string {
  const from = MARKDOWN.indexOf(`${head}\n`);
  if (from < 0) throw new Error(`docs/api.md has no table with the head ${head}`);
  return MARKDOWN.slice(from, MARKDOWN.indexOf("\n\n", from));
}

/** The cells of its rows. */
export const readRows = (head: string): string[][] =>
  readTable(head)
    .split("\n")
    .slice(2)
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
