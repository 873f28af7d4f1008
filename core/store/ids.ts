import { v7 } from "uuid";

/** UUIDv7: sorts by creation, so lists need no other order. */
export const newId = (): string => v7();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isId = (text: string): boolean => UUID.test(text);

/** The instant a UUIDv7 was made: a lower bound for everything that happened to its row. */
export function createdAtOf(id: string): Date {
  return new Date(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16));
}
