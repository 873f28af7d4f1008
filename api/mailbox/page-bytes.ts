import type { EmailSize } from "../../core/store/captured-emails.ts";

export const MAX_MAILBOX_PAGE_BYTES = 5_000_000;

/** How many of them make a page: `limit` at most, of so many bytes together, and one in any case. */
export function countFitting(sizes: EmailSize[], limit: number, maxBytes = MAX_MAILBOX_PAGE_BYTES): number {
  let total = 0;
  const tooMany = sizes.findIndex(({ bytes }, index) => {
    total += bytes;
    return index > 0 && total > maxBytes;
  });
  return tooMany === -1 ? limit : Math.min(limit, tooMany);
}
