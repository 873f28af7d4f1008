/** One run: what it waited for, what it tried, what came of it, what it said. */
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Json, toJson } from "../components/code.tsx";
import { Confirm, Dialog } from "../components/dialog.tsx";
import { Facts } from "../components/facts.tsx";
import { AreaField } from "../components/field.tsx";
import { Answered, Loading, Page, Problem, Section } from "../components/page.tsx";
import { explainRun } from "../components/run-list.tsx";
import { State } from "../components/state.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { useNow } from "../data/use-now.ts";
import { client, useQuery } from "../data/use-query.ts";
import { formatBytes, formatDuration } from "../format/duration.ts";
import { parseInput } from "./parse-input.ts";
import { RunError } from "./run-error.tsx";
import { RunLog } from "./run-log.tsx";
import { RunRequest } from "./run-request.tsx";
import { spansOf } from "./waterfall.ts";

type Run = Schemas["RunWithInput"];

const OPEN_STATES: readonly string[] = ["scheduled", "queued", "running"];
export const isOpen = ({ state }: Pick<Run, "state">) => OPEN_STATES.includes(state);

export function RunPage({ id }: { id: string }) {
  const query = useQuery(
    `run ${id}`,
    () => unwrap(client().GET("/v1/runs/{id}", { params: { path: { id } } })),
    {
      live: ({ data }) => "runId" in data && data.runId === id,
    },
  );
  const run = query.data;
  return (
    <Page
      title={run ? (run.function ?? `${run.type} run`) : "Run"}
      within={["Runs", "/runs"]}
      about={
        run && (
          <>
            <State of={run.state} /> {explainRun(run)}
          </>
        )
      }
      actions={run && <RunActions run={run} onChanged={query.reload} />}
    >
      <Answered of={query}>{(found) => <RunDetail run={found} />}</Answered>
    </Page>
  );
}

function RunActions({ run, onChanged }: { run: Run; onChanged: () => void }) {
  const action = useAction();
  const [, go] = useLocation();
  const [isReplaying, setReplaying] = useState(false);
  const params = { path: { id: run.id } };
  const act = (work: () => Promise<string>) =>
    action.run(async () => {
      const said = await work();
      onChanged();
      return said;
    });
  return (
    <>
      {run.state === "dead" && may("write") && (
        <>
          <Button
            kind="primary"
            disabled={action.isBusy}
            onClick={() =>
              void act(async () => {
                await unwrap(client().POST("/v1/dead-letters/{id}/redrive", { params }));
                return "The run is being retried.";
              })
            }
          >
            Redrive
          </Button>
          <Confirm
            action="Discard"
            title="Discard this dead letter?"
            isBusy={action.isBusy}
            onConfirm={() =>
              act(async () => {
                await unwrap(client().DELETE("/v1/dead-letters/{id}", { params }));
                return "The dead letter was discarded.";
              })
            }
          >
            The run stays as failed, and is no longer a dead letter.
          </Confirm>
        </>
      )}
      {isOpen(run) && may("write") && (
        <Confirm
          action="Cancel"
          title="Cancel this run?"
          isBusy={action.isBusy}
          onConfirm={() =>
            act(async () => {
              await unwrap(client().POST("/v1/runs/{id}/cancel", { params }));
              return run.state === "running" ? "The run was asked to stop." : "The run is cancelled.";
            })
          }
        >
          One that runs is asked to stop; one that waits never begins.
        </Confirm>
      )}
      {!isOpen(run) && run.state !== "skipped" && may("invoke") && (
        <Button onClick={() => setReplaying(true)}>Replay</Button>
      )}
      {isReplaying && (
        <ReplayDialog run={run} onClose={() => setReplaying(false)} onReplayed={(id) => go(`/runs/${id}`)} />
      )}
    </>
  );
}

interface ReplayProps {
  run: Run;
  onClose: () => void;
  onReplayed: (id: string) => void;
}

function ReplayDialog({ run, onClose, onReplayed }: ReplayProps) {
  const isKept = run.input !== undefined && !run.inputTruncated;
  const original = isKept ? toJson(run.input ?? null) : "";
  const [text, setText] = useState(original);
  const [fault, setFault] = useState<string>();
  const action = useAction({ isQuiet: true });
  const hasInput = run.type === "function";
  const replay = () => {
    const input = parseInput(text);
    if ("fault" in input) return setFault(input.fault);
    const isEdited = hasInput && text !== original;
    void action.run(async () => {
      const made = await unwrap(
        client().POST("/v1/runs/{id}/replay", {
          params: { path: { id: run.id } },
          body: isEdited ? { input: input.value } : {},
        }),
      );
      onReplayed(made.id);
      return "The replay has been created.";
    });
  };
  return (
    <Dialog title="Replay this run" onClose={onClose}>
      <p class="muted">Creates a new run with the input of this one, which stays as it is.</p>
      {hasInput && (
        <AreaField
          label="Input, as JSON"
          value={text}
          onInput={setText}
          rows={8}
          fault={fault}
          hint={
            isKept ? undefined : "The input is too large to show; leave this empty to use the stored one."
          }
        />
      )}
      {action.error !== undefined && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Close</Button>
        <Button kind="primary" onClick={replay} disabled={action.isBusy}>
          Replay
        </Button>
      </footer>
    </Dialog>
  );
}

type Isolate = NonNullable<Run["attempts"][number]["isolate"]>;

const sayIsolate = ({ start, loadMs }: Isolate) =>
  loadMs === undefined ? start : `${start}, loaded in ${formatDuration(loadMs)}`;

/** By its name, where it can be had. */
function TaskLink({ id }: { id: string }) {
  const { data, isLoading } = useQuery(`task ${id}`, () =>
    unwrap(client().GET("/v1/tasks/{id}", { params: { path: { id } } })),
  );
  if (isLoading) return <Loading />;
  return <Link href={`/tasks/${id}`}>{data?.name || data?.key || `…${id.slice(-8)}`}</Link>;
}

function RunDetail({ run }: { run: Run }) {
  const isolate = run.attempts.at(-1)?.isolate;
  return (
    <>
      <Waterfall run={run} />
      <div class="split">
        <div class="section">
          {run.type === "http" && run.taskId !== null && (
            <RunRequest taskId={run.taskId} at={run.startedAt ?? run.scheduledFor} />
          )}
          {run.error && <RunError run={run} error={run.error} />}
          {!isOpen(run) && !run.error && run.state === "succeeded" && <ResultView run={run} />}
          {run.type === "function" && <RunLog runId={run.id} isOver={!isOpen(run)} />}
          {run.input !== null && run.input !== undefined && (
            <Section title="Input" aside={run.inputTruncated && "its beginning"}>
              <Json label="Input" value={run.input} />
            </Section>
          )}
        </div>
        <Section title="Facts">
          <Facts
            of={[
              ["Task", run.taskId ? <TaskLink id={run.taskId} /> : "none"],
              run.function !== null && [
                "Function",
                <Link key="function" href={`/functions/${run.function}`}>
                  {run.function}
                </Link>,
              ],
              ["Made by", run.trigger],
              [
                "Queue",
                <Link key="queue" href={`/queues/${run.queue}`}>
                  {run.queue}
                </Link>,
              ],
              run.concurrencyKey !== null && ["Concurrency key", run.concurrencyKey],
              run.rateKey !== null && ["Rate key", run.rateKey],
              ["Priority", run.priority],
              ["Due", <Time key="due" at={run.scheduledFor} isExact />],
              run.startedAt !== null && ["Started", <Time key="started" at={run.startedAt} isExact />],
              run.finishedAt !== null && ["Ended", <Time key="ended" at={run.finishedAt} isExact />],
              isolate && ["Isolate", sayIsolate(isolate)],
              isolate?.cpuMs !== undefined && ["Processor", `${isolate.cpuMs} ms`],
              isolate?.heldBytes !== undefined && ["Memory held", formatBytes(isolate.heldBytes)],
              run.nextAttemptAt !== null && [
                "Next attempt",
                <Time key="next" at={run.nextAttemptAt} isExact />,
              ],
              run.replayOf !== null && [
                "Replay of",
                <Link key="replay" href={`/runs/${run.replayOf}`}>
                  another run
                </Link>,
              ],
              run.callbackOf !== null && [
                "Called back by",
                <Link key="callback" href={`/runs/${run.callbackOf}`}>
                  another run
                </Link>,
              ],
              run.traceId !== null && ["Trace", <code key="trace">{run.traceId}</code>],
              run.workerId !== null && ["Worker", <code key="worker">{run.workerId}</code>],
              ["Id", <code key="id">{run.id}</code>],
            ]}
          />
        </Section>
      </div>
    </>
  );
}

interface HttpResult {
  status: number;
  headers?: unknown;
  body?: unknown;
}

const isHttpResult = (value: unknown): value is HttpResult =>
  typeof value === "object" && value !== null && typeof (value as HttpResult).status === "number";

function ResultView({ run: { type, result } }: { run: Run }) {
  if (type !== "http" || !isHttpResult(result))
    return (
      <Section title="Result">
        <Json label="Result" value={result} />
      </Section>
    );
  const { status, body, ...rest } = result;
  return (
    <Section title="Response" aside={`status ${status}`}>
      {body !== undefined && <Json label="Body" value={body} />}
      <Json label="Besides" value={rest} />
    </Section>
  );
}

function Waterfall({ run }: { run: Run }) {
  const now = useNow();
  const spans = spansOf(run, Math.max(now.getTime(), Date.parse(run.startedAt ?? run.scheduledFor)));
  if (spans.length === 0)
    return (
      <p class="muted">
        Due <Time at={run.scheduledFor} isExact />.
      </p>
    );
  const from = spans[0]!.from;
  const whole = Math.max(1, ...spans.map(({ to }) => to - from));
  return (
    <Section title="Course" aside={`${formatDuration(whole)} since its instant`}>
      <ol class="waterfall card">
        {spans.map(({ name, tone, from: start, to, detail, level }, index) => (
          <li key={index} data-level={level}>
            <span>
              {name} {detail && <span class="muted small">{detail}</span>}
            </span>
            <span class="track">
              <i
                data-tone={tone}
                style={{
                  left: `${((start - from) / whole) * 100}%`,
                  width: `${((to - start) / whole) * 100}%`,
                }}
              />
            </span>
            <span class="number small">{to > start && formatDuration(to - start)}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
