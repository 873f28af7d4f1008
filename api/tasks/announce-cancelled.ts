import type { Cancelled } from "../../core/store/runs/cancel.ts";
import type { ApiParts } from "../environment.ts";

/** Tells workers which runs to stop, and everybody which have ended. */
export function announceCancelled(
  { notifier, ends }: Pick<ApiParts, "notifier" | "ends">,
  { asked, ended }: Cancelled,
): void {
  if (asked.length > 0) notifier.notify("bellhop_cancel", asked);
  ends.tell(ended);
}
