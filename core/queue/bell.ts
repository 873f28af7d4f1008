/** A bell as text: what stands in a message of Kafka and in the data of an event. */
import type { Bell } from "./transport.ts";

/** Why a value is no bell: the field that is wrong (empty: all of it) and what is wrong with it. */
export interface BellFault {
  field: "" | "runId" | "availableAt";
  message: string;
}

const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `{"runId": "…", "availableAt": <ms since 1970>}` */
export function toBellText({ runId, availableAt }: Bell): string {
  return JSON.stringify({ runId, availableAt: availableAt.getTime() });
}

/** Fields besides the two are let through: a later version may say more. */
export function readBell(value: unknown): Bell | BellFault {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { field: "", message: "must be an object with runId and availableAt" };
  const { runId, availableAt } = value as Record<string, unknown>;
  if (typeof runId !== "string" || !RUN_ID.test(runId))
    return { field: "runId", message: "must be the id of a run, a UUID in lower case" };
  const at = typeof availableAt === "number" ? new Date(availableAt) : undefined;
  if (!at || Number.isNaN(at.getTime()))
    return { field: "availableAt", message: "must be an instant, in milliseconds since 1970" };
  return { runId, availableAt: at };
}

/** Undefined for what is no bell of ours. */
export function parseBell(text: Buffer | null): Bell | undefined {
  try {
    const read = readBell(JSON.parse(text?.toString() ?? ""));
    return "field" in read ? undefined : read;
  } catch {
    return undefined;
  }
}
