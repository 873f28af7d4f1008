import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Confirm, Dialog } from "../components/dialog.tsx";
import { ChoiceField, TextField } from "../components/field.tsx";
import { Problem } from "../components/page.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";
import type { Task } from "./task.ts";

interface TaskActionsProps {
  task: Task;
  onChanged: () => void;
  onGone: () => void;
}

export function TaskActions({ task: { id, state, schedule }, onChanged, onGone }: TaskActionsProps) {
  const action = useAction();
  const [, go] = useLocation();
  const [isFilling, setFilling] = useState(false);
  const params = { path: { id } };
  const act = (work: () => Promise<string>) =>
    action.run(async () => {
      const said = await work();
      onChanged();
      return said;
    });
  const runNow = () =>
    void action.run(async () => {
      const run = await unwrap(client().POST("/v1/tasks/{id}/run", { params }));
      go(`/runs/${run.id}`);
    });
  return (
    <>
      {may("invoke") && state !== "cancelled" && (
        <Button kind="primary" onClick={runNow} disabled={action.isBusy}>
          Run now
        </Button>
      )}
      {may("write") && state === "active" && (
        <Button
          disabled={action.isBusy}
          onClick={() =>
            void act(async () => {
              await unwrap(client().POST("/v1/tasks/{id}/pause", { params }));
              return "The task is paused.";
            })
          }
        >
          Pause
        </Button>
      )}
      {may("write") && state === "paused" && (
        <Button
          disabled={action.isBusy}
          onClick={() =>
            void act(async () => {
              await unwrap(client().POST("/v1/tasks/{id}/resume", { params }));
              return "The task is resumed.";
            })
          }
        >
          Resume
        </Button>
      )}
      {may("write") && schedule && state === "active" && (
        <Button onClick={() => setFilling(true)}>Backfill</Button>
      )}
      {may("write") && (state === "active" || state === "paused") && (
        <Confirm
          action="Cancel"
          title="Cancel this task?"
          isBusy={action.isBusy}
          onConfirm={() =>
            act(async () => {
              await unwrap(client().POST("/v1/tasks/{id}/cancel", { params }));
              return "The task is cancelled.";
            })
          }
        >
          It no longer fires, and its waiting runs are cancelled. Its history stays.
        </Confirm>
      )}
      {may("write") && (state === "cancelled" || state === "completed") && (
        <Confirm
          action="Delete"
          title="Delete this task?"
          isBusy={action.isBusy}
          onConfirm={() =>
            action.run(async () => {
              await unwrap(client().DELETE("/v1/tasks/{id}", { params }));
              onGone();
              return "The task was deleted.";
            })
          }
        >
          This cannot be undone.
        </Confirm>
      )}
      {isFilling && (
        <BackfillDialog id={id} onClose={() => setFilling(false)} onBegun={(bulk) => go(`/bulk/${bulk}`)} />
      )}
    </>
  );
}

interface BackfillProps {
  id: string;
  onClose: () => void;
  onBegun: (bulkId: string) => void;
}

const OVERLAPS = [
  ["wait", "one after the other"],
  ["allow", "all at once"],
] as const;

/** The value of a browser's field of date and time, in the reader's zone. */
const toField = (at: Date) =>
  new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

function BackfillDialog({ id, onClose, onBegun }: BackfillProps) {
  const [from, setFrom] = useState(toField(new Date(Date.now() - 86_400_000)));
  const [to, setTo] = useState(toField(new Date()));
  const [overlap, setOverlap] = useState<"allow" | "wait">("wait");
  const [counted, setCounted] = useState<number>();
  const action = useAction({ isQuiet: true });
  const ask = (dryRun: boolean) =>
    void action.run(async () => {
      const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
      const made = (await unwrap(
        client().POST("/v1/tasks/{id}/backfill", {
          params: { path: { id } },
          body: { ...span, overlap, dryRun },
        }),
      )) as Schemas["BulkAction"] | Schemas["BulkDryRun"];
      if (made.id === null) setCounted(made.matched);
      else onBegun(made.id);
    });
  const change = (set: (value: string) => void) => (value: string) => {
    set(value);
    setCounted(undefined);
  };
  return (
    <Dialog title="Run past instants" onClose={onClose}>
      <p class="muted">Creates a run for each instant of the schedule in this period.</p>
      <div class="form-row">
        <TextField label="From" type="datetime-local" value={from} onInput={change(setFrom)} />
        <TextField label="To" type="datetime-local" value={to} onInput={change(setTo)} />
      </div>
      <ChoiceField label="They run" value={overlap} options={OVERLAPS} onChange={setOverlap} />
      {counted !== undefined && (
        <p>
          <strong class="number">{counted.toLocaleString("en-GB")}</strong> {counted === 1 ? "run" : "runs"}{" "}
          would be made.
        </p>
      )}
      {action.error !== undefined && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Close</Button>
        <Button onClick={() => ask(true)} disabled={action.isBusy}>
          Count
        </Button>
        <Button kind="primary" onClick={() => ask(false)} disabled={action.isBusy || !counted}>
          Backfill
        </Button>
      </footer>
    </Dialog>
  );
}
