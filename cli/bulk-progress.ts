/** A bulk action that is under way, until it has ended. */
import { type Schemas, unwrap } from "../client/client.ts";
import { Failure, Interrupted } from "./failure.ts";
import { pause } from "./interrupt.ts";
import type { Session } from "./session.ts";
import { drawBar, LiveLine } from "./terminal/live-line.ts";

type Bulk = Schemas["BulkAction"];

const LOOK_MS = 250;

/** @param expected how many there are, as a dry run counted */
export async function followBulk(session: Session, id: string, expected?: number): Promise<void> {
  const { client, out, signal } = session;
  const live = new LiveLine(session.asking.stderr, out.json);
  try {
    for (;;) {
      const bulk = await unwrap(client.GET("/v1/bulk/{id}", { params: { path: { id } } }));
      if (bulk.state !== "running") {
        live.clear();
        return showEnd(session, bulk);
      }
      live.show(describeProgress(bulk, expected ?? bulk.backfill?.instants));
      await pause(LOOK_MS, signal);
    }
  } catch (error) {
    live.clear();
    if (!signal.aborted) throw error;
    out.note(
      `It goes on without you. bellhop bulk abort ${id} stops it, bellhop bulk watch ${id} follows it.`,
    );
    throw new Interrupted();
  }
}

function describeProgress({ action, matched, failed }: Bulk, expected: number | undefined): string {
  const bar = expected === undefined ? "" : `${drawBar(matched, expected)} `;
  return `${action} ${bar}${matched}${expected === undefined ? "" : ` of ${expected}`}${failed > 0 ? `, ${failed} failed` : ""}`;
}

function showEnd({ out }: Session, bulk: Bulk): void {
  out.answer(bulk, () => {
    const { green, yellow, red } = out.style;
    const paint = bulk.state === "succeeded" ? (bulk.failed > 0 ? yellow : green) : red;
    out.line(paint(`${bulk.action} ${bulk.state}: ${bulk.done} done, ${bulk.failed} failed`));
    for (const [kind, count] of Object.entries(bulk.receipt ?? {})) out.line(`  ${kind}: ${count}`);
    for (const { id, code, message } of bulk.failures) out.line(`  ${id} ${code}: ${message}`);
  });
  if (bulk.state === "succeeded" && bulk.failed === 0) return;
  const message =
    bulk.error?.message ??
    `The action ${bulk.state === "succeeded" ? "failed for some" : `was ${bulk.state}`}.`;
  throw new Failure(message, { code: bulk.error?.code ?? "bulk_incomplete" });
}
