import { v7 } from "uuid";

/** UUIDv7: sorts by creation, so lists need no other order. */
export const newId = (): string => v7();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isId = (text: string): boolean => UUID.test(text);

/** How far the clocks of the machines may stand apart. */
const CLOCK_SLACK_MS = 3_600_000;

/** No later than anything that happened to the row of this UUIDv7, whichever machine's clock dated it. */
export function earliestTraceOf(id: string): Date {
  const createdAtMs = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  return new Date(createdAtMs - CLOCK_SLACK_MS);
}
