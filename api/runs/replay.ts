/** `POST /v1/runs/{id}/replay`: a run that has ended, once more, as a run of its own. The one that it replays stays as it is. */
import type { Context } from "hono";
import { idParam } from "../../core/contracts/common.ts";
import { replayInput } from "../../core/contracts/replay.ts";
import { runOutput, toWireRun } from "../../core/contracts/run.ts";
import { originRemoved, type ReplayRevision } from "../../core/domain/replay.ts";
import { notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { JsonSource } from "../../core/json-source.ts";
import { isId, newId } from "../../core/store/ids.ts";
import { enqueueReplay } from "../../core/store/runs/enqueue.ts";
import { findReplayable } from "../../core/store/runs/find-replayable.ts";
import { planReplay } from "../../core/store/runs/plan-replay.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { readJsonBody, validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { defineRoute } from "../http/route.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";
import { requireBodySecrets } from "../tasks/require-secrets.ts";
import { chooseReplayInput } from "./replay-input.ts";

export const replayRoute = defineRoute({
  method: "POST",
  path: "/v1/runs/:id/replay",
  operationId: "replayRun",
  summary: "Replay a run that has ended, or a dead letter",
  description: "Creates a new run. The original stays as it is, even if it is a dead letter.",
  access: "invoke",
  audit: { not: "A run is a record of its own." },
  params: { id: idParam("The run's id.") },
  ownBody: { content: { "application/json": replayInput }, isOptional: true },
  answers: { 202: { is: "The new run, queued.", schema: runOutput, headers: ["location"] } },
  errors: {
    404: ["not_found"],
    409: [
      "function_removed",
      "input_not_kept",
      "revision_unavailable",
      "run_not_finished",
      "task_cancelled",
      "task_removed",
    ],
    422: ["unknown_queue", "unknown_secret"],
  },
  async handle({ parts, context, owner: { namespaceId }, params: { id } }) {
    const runId = await replay(parts, context, id);
    const run = await findRun(parts.store, namespaceId, runId);
    return { status: 202, body: toWireRun(run!), headers: { location: `/v1/runs/${runId}` } };
  },
});

interface Asked {
  input?: Json | undefined;
  revision: ReplayRevision;
}

/** Makes the run and rings it; its id. */
async function replay(
  { store, ringer, functionCaps, daily }: ApiParts,
  context: Context<ApiEnv>,
  id: string,
): Promise<string> {
  const owner = context.get("owner");
  const { namespaceId } = owner;
  const body = await readJsonBody(context, { optional: true });
  const asked: Asked = validate(replayInput, body.value);
  const run = isId(id) ? await findReplayable(store, namespaceId, id) : undefined;
  if (!run) throw notFound("run", id);
  const facts = { runId: newId(), namespaceId, traceparent: traceparentOf(context) };
  const holdsSecrets = (sent: Json | JsonSource) => requireBodySecrets(store, owner, sent, "input");
  const chooseInput = () => chooseReplayInput(run, asked.input, body, holdsSecrets);
  const request = { ...facts, ...(await planReplay(run, asked.revision, functionCaps, chooseInput)) };
  const staged = await daily.counting(store, namespaceId, () => enqueueReplay(store, request));
  // This very moment: the look before found it.
  if (!staged) throw originRemoved(run);
  spanOf(context).set({ "bellhop.run.id": staged.runId });
  ringer.ring([staged]);
  return staged.runId;
}
