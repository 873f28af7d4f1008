/** As core/store/runs/cancel.ts: what waits ends at once, what runs is asked to stop. */
import { ask, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack, isGranted } from "./admit.ts";
import type { Transaction, View } from "./database.ts";
import { finalRow } from "./finish.ts";
import type { RunRow } from "./rows.ts";

export interface Cancelled {
  asked: string[];
  ended: number;
  wantedKeys: string[];
}

const isCancellable = ({ state }: RunRow) =>
  state === "scheduled" || state === "queued" || state === "running";

export function cancelRunsIn(view: View, world: World, runIds: readonly string[]): Cancelled {
  const chosen = runIds.flatMap((id) => view.get("runs", id) ?? []).filter(isCancellable);
  for (const { id } of chosen) view.lock("runs", id);
  return endChosen(view, world, chosen);
}

function endChosen(view: View, world: World, chosen: readonly RunRow[]): Cancelled {
  const asked: string[] = [];
  const ended: RunRow[] = [];
  for (const run of chosen) {
    if (run.state === "running") {
      view.put("runs", run.id, { ...run, isCancelRequested: true });
      asked.push(run.id);
      continue;
    }
    view.remove("runs", run.id);
    const row = finalRow(world, run, "cancelled");
    view.put("finals", row.key, row);
    ended.push(run);
  }
  const holding = world.hasBug("permits-never-returned") ? [] : ended.filter(isGranted);
  return { asked, ended: ended.length, wantedKeys: givePermitsBack(view, holding) };
}

/** Of one task or several runs, as part of a transaction or alone. */
export function* cancelRuns(
  world: World,
  find: (run: RunRow) => boolean,
  tx: Transaction | null = null,
): Script<Cancelled> {
  const isChosen = (run: RunRow) => find(run) && isCancellable(run);
  if (!world.hasBug("cancel-reads-before-lock"))
    return yield* ask(
      "cancel runs",
      (view) =>
        cancelRunsIn(
          view,
          world,
          view
            .all("runs")
            .filter(isChosen)
            .map(({ id }) => id),
        ),
      tx,
    );
  const seen = yield* ask("look at runs", (view) => view.all("runs").filter(isChosen), tx);
  return yield* ask("cancel what was seen", (view) => endChosen(view, world, seen), tx);
}
