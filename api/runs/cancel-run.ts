import { cancelRuns } from "../../core/store/runs/cancel.ts";
import type { ApiParts } from "../environment.ts";
import { announceCancelled } from "../tasks/announce-cancelled.ts";

/** Ends an open run that waits, and asks one that runs to stop. Answers whether it was open. */
export async function cancelRun(
  parts: Pick<ApiParts, "store" | "notifier" | "ends">,
  namespaceId: string,
  runId: string,
): Promise<boolean> {
  const cancelled = await cancelRuns(parts.store, namespaceId, { runId });
  announceCancelled(parts, cancelled);
  return cancelled.ended.length + cancelled.asked.length > 0;
}
