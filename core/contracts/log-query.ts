/** What a reader of a function's log may ask for. An empty filter is as good as none. */
import { z } from "zod";
import { parseDuration } from "../duration.ts";
import { instantField, listQuery } from "./common.ts";

/** `?level=` is what a form sends for "any". */
function filterField<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === "" ? undefined : value), schema.optional());
}

/** From the least to the most severe. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

const MAX_TEXT_CHARS = 200;

/** An RFC 3339 instant, or a duration back from now. */
function sinceField(now: Date) {
  return z.string().transform((text, context) => {
    const backMs = parseDuration(text);
    if (backMs !== undefined) return new Date(Math.max(0, now.getTime() - backMs));
    const at = instantField.safeParse(text);
    if (at.success) return at.data;
    const message = 'must be an RFC 3339 instant such as 2026-12-01T09:00:00Z, or a duration such as "15m"';
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** The query of `GET /v1/functions/{name}/logs`. `level` means that level and above. */
export function logQuery(now: Date) {
  return listQuery
    .extend({
      follow: z.enum(["true", "false"], "must be true or false").default("false"),
      level: filterField(z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`)),
      since: filterField(sinceField(now)),
      until: filterField(sinceField(now)),
      q: filterField(z.string().max(MAX_TEXT_CHARS, `holds at most ${MAX_TEXT_CHARS} characters`)),
      revision: filterField(z.string().max(64)),
      run: filterField(z.uuid("must be the id of a run")),
    })
    .superRefine((given, context) => {
      if (given.follow === "false") return;
      for (const name of ["until", "cursor"] as const) {
        if (given[name] === undefined) continue;
        context.addIssue({ code: "custom", path: [name], message: "does not go with follow=true" });
      }
    });
}
