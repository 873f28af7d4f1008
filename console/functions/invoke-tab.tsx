/** A call with an input, and what came of it. Inputs that were tried are kept in this browser, by function. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { ProblemError } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Json, toJson } from "../components/code.tsx";
import { AreaField, ChoiceField, TextField } from "../components/field.tsx";
import { Empty, Section } from "../components/page.tsx";
import { State } from "../components/state.tsx";
import { may } from "../data/may.ts";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { client, isSignedOutBy } from "../data/use-query.ts";
import { given } from "../data/use-search.ts";
import { formatDuration } from "../format/duration.ts";
import { parseInput } from "../runs/parse-input.ts";
import { RunLog } from "../runs/run-log.tsx";
import { type Example, readExamples, removeExample, saveExample } from "./examples.ts";
import type { Fn } from "./fn.ts";

interface Outcome {
  runId: string | undefined;
  state: "succeeded" | "failed";
  tookMs: number;
  result?: unknown;
  message?: string;
}

async function invoke(name: string, input: unknown, tag: string | undefined): Promise<Outcome> {
  const began = performance.now();
  const { data, error, response } = await client().POST("/v1/functions/{name}/invoke", {
    params: { path: { name }, query: given({ tag }) },
    body: input,
  });
  const tookMs = performance.now() - began;
  if (response.ok) {
    const runId = response.headers.get("bellhop-run-id") ?? undefined;
    return { runId, state: "succeeded", tookMs, result: data };
  }
  const problem = new ProblemError(error as never, response);
  // A failure of the function is what came of the call; anything else is a refusal.
  if (problem.problem?.runId === undefined) throw problem;
  isSignedOutBy(problem);
  const { runId, code, detail } = problem.problem;
  return { runId, state: "failed", tookMs, message: `${code}: ${detail}` };
}

export function InvokeTab({ fn }: { fn: Fn }) {
  const [text, setText] = useState(() => readExamples(fn.name)[0]?.input ?? '{\n  "name": "Ada"\n}');
  const [tag, setTag] = useState("");
  const [outcome, setOutcome] = useState<Outcome>();
  const [fault, setFault] = useState<string>();
  const action = useAction();
  const call = () => {
    const input = parseInput(text);
    if ("fault" in input) return setFault(input.fault);
    setFault(undefined);
    void action.run(async () => {
      setOutcome(await invoke(fn.name, input.value, tag || undefined));
    });
  };
  const tags = [
    ["", "according to traffic"] as const,
    ...Object.keys(fn.tags).map((each) => [each, `tag ${each}`] as const),
  ];
  return (
    <div class="split">
      <div class="section">
        <AreaField label="Input, as JSON" value={text} onInput={setText} rows={9} fault={fault} />
        <div class="actions">
          {may("invoke") ? (
            <Button kind="primary" onClick={call} disabled={action.isBusy}>
              {action.isBusy ? "Running …" : "Invoke"}
            </Button>
          ) : (
            <p class="muted">This key may not invoke functions.</p>
          )}
          {tags.length > 1 && <ChoiceField label="Revision" value={tag} options={tags} onChange={setTag} />}
        </div>
        {action.error !== undefined && <p class="muted">{toFault(action.error).message}</p>}
        {outcome ? (
          <OutcomeView outcome={outcome} />
        ) : (
          <Empty title="There has been no call yet.">
            <p>The result, the duration and the log will appear here.</p>
          </Empty>
        )}
      </div>
      <Examples name={fn.name} input={text} onTake={setText} />
    </div>
  );
}

function OutcomeView({ outcome: { runId, state, tookMs, result, message } }: { outcome: Outcome }) {
  return (
    <Section
      title="Answer"
      aside={
        <>
          <State of={state} /> {formatDuration(tookMs)} there and back
          {runId && <Link href={`/runs/${runId}`}>its run</Link>}
        </>
      }
    >
      {message ? (
        <p class="problem" role="alert">
          {message}
        </p>
      ) : (
        <Json label="Result" value={result ?? null} />
      )}
      {runId && <RunLog key={runId} runId={runId} isOver />}
    </Section>
  );
}

function Examples({ name, input, onTake }: { name: string; input: string; onTake: (input: string) => void }) {
  const [examples, setExamples] = useState<readonly Example[]>(() => readExamples(name));
  const [title, setTitle] = useState("");
  return (
    <Section title="Saved inputs">
      {examples.length === 0 && <p class="muted">You can load a saved input with one click.</p>}
      <ul class="section">
        {examples.map((example) => (
          <li key={example.title} class="actions">
            <Button onClick={() => onTake(example.input)}>{example.title}</Button>
            <Button
              kind="plain"
              label={`Forget ${example.title}`}
              onClick={() => setExamples(removeExample(name, example.title))}
            >
              Forget
            </Button>
          </li>
        ))}
      </ul>
      <div class="actions">
        <TextField label="Save this input as" value={title} onInput={setTitle} />
        <Button
          disabled={title.trim() === ""}
          onClick={() => {
            setExamples(saveExample(name, { title: title.trim(), input: tidy(input) }));
            setTitle("");
          }}
        >
          Save
        </Button>
      </div>
    </Section>
  );
}

function tidy(text: string): string {
  const input = parseInput(text);
  return "fault" in input ? text : toJson(input.value);
}
