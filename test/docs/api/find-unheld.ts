/** Which figures of docs/api.md stand in no statement. */
import { withoutBackticks } from "./document.ts";
import { findFigures, type Span } from "./find-figures.ts";
import type { Statement } from "./statement.ts";

export interface Unheld {
  /** Counted from 1. */
  line: number;
  figures: string[];
  /** What stands around them. */
  text: string;
}

const CONTEXT_CHARS = 40;

/** Figures that stand close to each other are told together. */
export function findUnheld(
  markdown: string,
  statements: readonly Pick<Statement, "says" | "covers">[],
): Unheld[] {
  const findAll = createFinder(markdown);
  const held = statements.flatMap(({ says, covers = () => true }) =>
    findAll(says).map((span) => ({ ...span, covers })),
  );
  const textOf = ({ from, to }: Span) => markdown.slice(from, to);
  const isHeld = (figure: Span) =>
    held.some(({ from, to, covers }) => from <= figure.from && figure.to <= to && covers(textOf(figure)));
  const unheld = findFigures(markdown).filter((figure) => !isHeld(figure));
  return gather(unheld, markdown).map((figures) => ({
    line: markdown.slice(0, figures[0]!.from).split("\n").length,
    figures: figures.map(textOf),
    text: around(markdown, figures[0]!, figures.at(-1)!),
  }));
}

function gather(figures: Span[], markdown: string): Span[][] {
  const groups: Span[][] = [];
  for (const figure of figures) {
    const group = groups.at(-1);
    const between = group && markdown.slice(group.at(-1)!.to, figure.from);
    if (between !== undefined && between.length <= CONTEXT_CHARS && !between.includes("\n"))
      group!.push(figure);
    else groups.push([figure]);
  }
  return groups;
}

/** Finds the places of a statement; backticks do not count. */
export function createFinder(markdown: string): (says: string) => Span[] {
  const plain = withoutBackticks(markdown);
  const places = Array.from({ length: markdown.length }, (_, at) => at).filter((at) => markdown[at] !== "`");
  return (says) => {
    const found: Span[] = [];
    for (let at = plain.indexOf(says); at >= 0; at = plain.indexOf(says, at + 1))
      found.push({ from: places[at]!, to: places[at + says.length - 1]! + 1 });
    return found;
  };
}

function around(markdown: string, first: Span, last: Span): string {
  const lineFrom = markdown.lastIndexOf("\n", first.from) + 1;
  const lineEnd = markdown.indexOf("\n", last.to);
  const from = Math.max(lineFrom, first.from - CONTEXT_CHARS);
  const to = Math.min(lineEnd, last.to + CONTEXT_CHARS);
  return `${from > lineFrom ? "…" : ""}${markdown.slice(from, to)}${to < lineEnd ? "…" : ""}`;
}
