/** `/v1/export`: what a namespace holds, in the form in which it can be given again. */
import {
  type ExportLine,
  exportLine,
  isExported,
  toSettingsLine,
  toTaskLine,
} from "../../core/contracts/export.ts";
import type { FunctionSummary } from "../../core/contracts/function.ts";
import { toWireFunction } from "../../core/contracts/function-output.ts";
import { toWireLimits } from "../../core/contracts/queue.ts";
import { listNamedTasks } from "../../core/domain/exported-callbacks.ts";
import { writeJson } from "../../core/json-source.ts";
import { findCalendar, listCalendars } from "../../core/store/calendars/calendars.ts";
import { listFunctions } from "../../core/store/functions/functions.ts";
import { listQueues } from "../../core/store/queues/queues.ts";
import { listSecrets } from "../../core/store/secrets.ts";
import { findSettings } from "../../core/store/settings.ts";
import { findExportedKeys } from "../../core/store/tasks/find-exported-keys.ts";
import { listTasks } from "../../core/store/tasks/read.ts";
import { readKey } from "../auth/authenticate.ts";
import type { ApiParts } from "../environment.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const TASKS_AT_ONCE = 50;
/** Each may have 64 KB of settings. */
const FUNCTIONS_AT_ONCE = 20;

export const exportFeature: Feature = {
  tag: "Export",
  description: "The contents of a namespace, in a form that can be restored.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/export",
      operationId: "exportNamespace",
      summary: "Export tasks, calendars, queues, functions' configuration and settings",
      description:
        "One JSON object per line; the last one has the kind `end`. Tasks are items for `POST /v1/tasks/apply`. Secrets are named, without their values.",
      access: "read",
      keepsSource: true,
      answers: { 200: { is: "The whole export.", content: { "application/x-ndjson": exportLine } } },
      async handle({ parts, context, owner }) {
        const key = readKey(context).key!;
        const lines = listWhileValid(listLines(parts, owner.namespaceId), (onInvalid) =>
          parts.keyring.watch(key, owner, onInvalid),
        );
        return { status: 200, contentType: "application/x-ndjson", content: toStream(lines) } as const;
      },
    }),
  ],
};

/** Read as the client takes it: no more than a page is held. */
const toStream = (lines: AsyncIterable<ExportLine>): ReadableStream<Uint8Array> =>
  ReadableStream.from(toBytes(lines));

/** Without its last line, the `end`, where the key is not valid any more. */
async function* listWhileValid(
  lines: AsyncIterable<ExportLine>,
  watchKey: (onInvalid: () => void) => () => void,
): AsyncGenerator<ExportLine> {
  let isValid = true;
  const unwatch = watchKey(() => {
    isValid = false;
  });
  try {
    for await (const line of lines) {
      if (!isValid) return;
      yield line;
    }
  } finally {
    unwatch();
  }
}

async function* toBytes(lines: AsyncIterable<ExportLine>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const line of lines) yield encoder.encode(`${writeJson(line)}\n`);
}

async function* listLines(parts: ApiParts, namespaceId: string): AsyncGenerator<ExportLine> {
  const { store } = parts;
  const settings = await findSettings(store, namespaceId);
  yield toSettingsLine(settings, await findExportedKeys(store, namespaceId, listNamedTasks(settings.on)));
  yield* listNames(parts, namespaceId, null);
  for await (const found of everyFunction(parts, namespaceId)) {
    yield { kind: "function", function: toWireFunction(found, parts.functionCaps) };
    yield* listNames(parts, namespaceId, found);
  }
  yield* listCalendarLines(parts, namespaceId);
  for (const { name, limits } of await listQueues(store, namespaceId))
    yield { kind: "queue", name, limits: toWireLimits(limits) };
  let tasks = 0;
  for (let afterId: string | null | undefined; afterId !== null; ) {
    const page = { limit: TASKS_AT_ONCE, order: "asc", afterId } as const;
    const { rows, nextId } = await listTasks(store, namespaceId, {}, page);
    const exported = rows.filter(isExported);
    const named = exported.flatMap(({ on }) => listNamedTasks(on));
    const keys = await findExportedKeys(store, namespaceId, named);
    for (const task of exported) yield toTaskLine(task, keys);
    tasks += exported.length;
    afterId = nextId;
  }
  yield { kind: "end", tasks };
}

/** Of a function, or of the namespace. */
async function* listNames(
  { store }: ApiParts,
  namespaceId: string,
  of: FunctionSummary | null,
): AsyncGenerator<ExportLine> {
  for (const { name } of await listSecrets(store, namespaceId, of?.id ?? null))
    yield { kind: "secret", name, function: of?.name ?? null };
}

/** One at a time: each may have thousands of dates. */
async function* listCalendarLines({ store }: ApiParts, namespaceId: string): AsyncGenerator<ExportLine> {
  for (const { name } of await listCalendars(store, namespaceId)) {
    const calendar = await findCalendar(store, namespaceId, name);
    if (calendar) yield { kind: "calendar", name, dates: calendar.dates };
  }
}

async function* everyFunction({ store }: ApiParts, namespaceId: string): AsyncGenerator<FunctionSummary> {
  for (let beforeId: string | undefined; ; ) {
    const found = await listFunctions(store.db, namespaceId, FUNCTIONS_AT_ONCE, beforeId);
    const page = found.slice(0, FUNCTIONS_AT_ONCE);
    yield* page;
    if (found.length <= FUNCTIONS_AT_ONCE) return;
    beforeId = page.at(-1)!.id;
  }
}
