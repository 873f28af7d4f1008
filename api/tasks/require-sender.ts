import type { TaskSpec } from "../../core/domain/task-spec.ts";
import { invalidField } from "../../core/errors.ts";
import type { MailFacts } from "../environment.ts";

/** Refuses an e-mail that would find no sender at its run; where the API was not told of one or of none, it may. */
export function requireSender(spec: TaskSpec, { defaultSender }: MailFacts): void {
  if (spec.type !== "email" || spec.from !== undefined || defaultSender !== "none") return;
  throw invalidField(
    "from",
    "is required: the operator has set no sender (EMAIL_FROM) for e-mails that name none",
  );
}
