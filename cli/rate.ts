import { InvalidArgumentError } from "commander";
import { toWholeNumber } from "./pages.ts";

export interface Rate {
  limit: number;
  per: string;
}

/** Of `10/1s`; `10/s` is the same. */
export function toRate(text: string, most: number, shape = "Write it like 10/1s."): Rate {
  const [, limit, per] = /^(\d+)\/(\S+)$/.exec(text) ?? [];
  if (per === undefined) throw new InvalidArgumentError(shape);
  return { limit: toWholeNumber(limit!, 1, most), per: /^\d/.test(per) ? per : `1${per}` };
}
