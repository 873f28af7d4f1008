/** What commands that deploy say of types, and the option that leaves them out. */
import { checkTypes } from "./bundle/check-types.ts";
import type { Source } from "./bundle/source.ts";
import type { Session } from "./session.ts";

export const NO_CHECK_OPTION = [
  "--no-check",
  "skip the check for type errors with the project's TypeScript",
] as const;

export async function checkTypesOf({ out }: Session, source: Source): Promise<void> {
  const warning = await checkTypes(source);
  if (warning !== undefined) out.note(out.noteStyle.yellow(warning));
}
