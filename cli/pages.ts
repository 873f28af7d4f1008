/** Lists of the API by page, as many items as somebody asked for. */
import { InvalidArgumentError } from "commander";

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** The most that the API gives at once. */
const PAGE_LIMIT = 200;

/** Goes on until there are enough, or no more: a page may be short, or empty, and still have a next one. */
export async function collectPages<Item>(
  limit: number,
  fetchPage: (page: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  const items: Item[] = [];
  let nextCursor: string | null = null;
  do {
    const page: Page<Item> = await fetchPage({
      limit: Math.min(PAGE_LIMIT, limit - items.length),
      ...(nextCursor === null ? {} : { cursor: nextCursor }),
    });
    items.push(...page.items);
    nextCursor = page.nextCursor;
  } while (nextCursor !== null && items.length < limit);
  return { items, nextCursor };
}

export function toLimit(text: string): number {
  return toWholeNumber(text, 1, 100_000);
}

export function toWholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
}

export const LIMIT_OPTION = ["-n, --limit <count>", "the maximum number", toLimit, 50] as const;
