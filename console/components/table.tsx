import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { Search } from "../data/use-search.ts";

export interface Column<Row> {
  title: string;
  /** Its title is for screen readers alone. */
  isUntitled?: boolean;
  isTight?: boolean;
  isRight?: boolean;
  cell: (row: Row) => ComponentChildren;
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
}

const classOf = ({ isTight, isRight }: { isTight?: boolean; isRight?: boolean }) =>
  [isTight && "tight", isRight && "right"].filter(Boolean).join(" ") || undefined;

export function Table<Row>({ caption, columns, rows, keyOf }: TableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways is scrolled by the keyboard too
    <section class="table-wrap" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden-visually">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={classOf(column)}>
                {column.isUntitled ? <span class="hidden-visually">{column.title}</span> : column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td
                  key={column.title}
                  class={classOf(column)}
                  data-title={column.isUntitled ? undefined : column.title}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Pages have cursors: forward by the next one, back by the browser. */
export function Pager({ search, nextCursor }: { search: Search; nextCursor: string | null }) {
  const isFirst = search.get("cursor") === undefined;
  if (isFirst && nextCursor === null) return null;
  return (
    <nav class="pager" aria-label="Pages">
      {isFirst ? <span /> : <Link href={search.with({ cursor: undefined })}>First page</Link>}
      {nextCursor !== null && <Link href={search.with({ cursor: nextCursor })}>Next page</Link>}
    </nav>
  );
}
