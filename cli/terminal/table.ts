import stringWidth from "string-width";
import { printableLine } from "./printable.ts";
import type { Style } from "./style.ts";

export interface Column<Row> {
  title: string;
  text(row: Row): string | number | null | undefined;
  paint?(text: string, row: Row): string;
  align?: "right";
  /** Gives way where the terminal is too narrow. */
  shrinks?: boolean;
}

const GAP = "  ";
const LEAST_WIDTH = 12;

/** @param width of the terminal; undefined: nothing is cut off */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  style: Style,
  width: number | undefined,
): string[] {
  const texts = rows.map((row) => columns.map((column) => printableLine(String(column.text(row) ?? "–"))));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...texts.map((cells) => stringWidth(cells[at]!))),
  );
  if (width !== undefined) shrinkToFit(widths, columns, width);
  const head = columns.map((column, at) => style.dim(pad(column.title, widths[at]!, column.align)));
  const body = rows.map((row, index) =>
    columns.map((column, at) => {
      const cell = pad(cut(texts[index]![at]!, widths[at]!), widths[at]!, column.align);
      return column.paint ? column.paint(cell, row) : cell;
    }),
  );
  return [head, ...body].map((cells) => cells.join(GAP).trimEnd());
}

function shrinkToFit(widths: number[], columns: readonly { shrinks?: boolean }[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1) - width;
  while (excess > 0) {
    const widest = columns
      .map((column, at) => ({ at, room: column.shrinks ? widths[at]! - LEAST_WIDTH : 0 }))
      .reduce((best, each) => (each.room > best.room ? each : best));
    if (widest.room <= 0) return;
    widths[widest.at]! -= 1;
    excess -= 1;
  }
}

export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = "";
  let taken = 0;
  for (const char of text) {
    taken += stringWidth(char);
    if (taken > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

function pad(text: string, width: number, align: "right" | undefined): string {
  const space = " ".repeat(Math.max(0, width - stringWidth(text)));
  return align === "right" ? space + text : text + space;
}
