/** What takes something away is asked about first. */
import { Failure } from "./failure.ts";
import type { Cli } from "./session.ts";
import { confirm } from "./terminal/prompt.ts";

export const YES_OPTION = ["-y, --yes", "do not ask for confirmation"] as const;

export async function confirmOrFail(
  { asking }: Pick<Cli, "asking">,
  question: string,
  options: { yes?: boolean },
): Promise<void> {
  if (!(await confirm(asking, question, options.yes === true)))
    throw new Failure("Nothing was changed.", { code: "not_confirmed" });
}
