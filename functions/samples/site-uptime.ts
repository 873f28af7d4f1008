/**
 * Watches a site: a task runs it every minute. It remembers the site's last state in ctx.kv and tells NOTIFY_URL when
 * that changes, once for each change, also where two runs overlap.
 *
 * env: SITE_URL, the address that must answer 2xx within 5 seconds; NOTIFY_URL, what gets a POST with {site, state,
 * since, detail}.
 */
import type { Context } from "bellhop";

interface SiteState {
  state: "up" | "down";
  /** When it became that. */
  since: string;
}

const PATIENCE_MS = 5_000;

export default async function checkSite(_input: unknown, ctx: Context) {
  const site = ctx.env["SITE_URL"];
  if (!site) throw new Error("Set SITE_URL in the function's env.");
  const { isUp, detail } = await look(site, ctx.signal);
  const state = isUp ? "up" : "down";
  const before = await ctx.kv.getEntry<SiteState>("state");
  ctx.log.info(`the site is ${state}`, { site, detail });
  if (before?.value.state === state) return { site, ...before.value, changed: false };

  const now: SiteState = { state, since: ctx.scheduledAt.toISOString() };
  const { ok } = await ctx.kv.set("state", now, { ifVersion: before?.version ?? null });
  // Another run saw the change first, and tells of it.
  if (!ok) return { site, ...now, changed: false };
  // The first look is no change.
  if (before) await tell({ site, ...now, detail }, ctx);
  return { site, ...now, changed: before !== undefined };
}

async function look(site: string, signal: AbortSignal): Promise<{ isUp: boolean; detail: string }> {
  try {
    const response = await fetch(site, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
    await response.body?.cancel();
    return { isUp: response.ok, detail: `it answered ${response.status}` };
  } catch (error) {
    return { isUp: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

async function tell(change: object, ctx: Context): Promise<void> {
  const url = ctx.env["NOTIFY_URL"];
  if (!url) return;
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(change),
  });
  if (!response.ok) ctx.log.warn("the change could not be told", { status: response.status });
}
