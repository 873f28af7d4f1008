/** What a reader of a function's log may ask for. An empty filter is as good as none. */
import { z } from "zod";
import { LOG_LEVELS } from "../domain/log-level.ts";
import { parseDuration } from "../duration.ts";
import { filterField, instantField, listQuery } from "./common.ts";

export const MAX_QUERY_TEXT_CHARS = 200;

/** An RFC 3339 instant, or a duration back from now. */
function sinceField(now: () => Date) {
  return z.string().transform((text, context) => {
    const backMs = parseDuration(text);
    if (backMs !== undefined) return new Date(Math.max(0, now().getTime() - backMs));
    const at = instantField.safeParse(text);
    if (at.success) return at.data;
    const message = 'must be an RFC 3339 instant such as 2026-12-01T09:00:00Z, or a duration such as "15m"';
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

const level = filterField(z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`));
const text = filterField(
  z.string().max(MAX_QUERY_TEXT_CHARS, `holds at most ${MAX_QUERY_TEXT_CHARS} characters`),
);

/** The query of `GET /v1/runs/{id}/logs`. `level` means that level and above. */
export const runLogQuery = listQuery.extend({ level, q: text });

/** The query of `GET /v1/functions/{name}/logs`. `after` is the id of a line, for a follower to go on from. */
export function logQuery(now: () => Date) {
  return runLogQuery
    .extend({
      follow: z.enum(["true", "false"], "must be true or false").default("false"),
      since: filterField(sinceField(now)),
      until: filterField(sinceField(now)),
      revision: filterField(z.string().max(64)),
      run: filterField(z.uuid("must be the id of a run")),
      after: filterField(z.string().max(64)),
    })
    .superRefine((given, context) => {
      const isFollowing = given.follow === "true";
      for (const name of isFollowing ? (["until", "cursor"] as const) : (["after"] as const)) {
        if (given[name] === undefined) continue;
        const message = isFollowing ? "cannot be combined with follow=true" : "needs follow=true";
        context.addIssue({ code: "custom", path: [name], message });
      }
    });
}
