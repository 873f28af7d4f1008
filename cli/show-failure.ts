/** A failure as people read it: what went wrong, where, and what to do next. */
import type { Failure } from "./failure.ts";
import type { Output } from "./terminal/output.ts";
import { printable } from "./terminal/printable.ts";

export function showFailure(out: Output, { message, details, hint, help }: Failure): void {
  const { red, dim } = out.noteStyle;
  if (message !== "") out.note(`${red("Error:")} ${printable(message)}`);
  for (const line of details) out.note(`  ${printable(line)}`);
  if (hint !== undefined) out.note(dim(hint));
  if (help !== undefined) out.note(dim(`What to do about it: ${printable(help)}`));
}
