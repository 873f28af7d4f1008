/** A little of everything, again and again: every type of task, calls both ways, failures, refusals. */
import type { HttpSink } from "../support/http-sink.ts";
import type { ApiClient } from "../system/cluster.ts";

/** In names, paths, inputs, mails and errors. No id, time or port holds it by chance. */
export const WRITTEN = "wallaby";

const FUNCTIONS = {
  greet: "export default (input, ctx) => ({ hello: input?.name ?? 'nobody', attempt: ctx.attempt });",
  page: "export default { fetch: (request) => new Response('page ' + new URL(request.url).pathname) };",
  endless: "export default () => { for (;;); };",
  broken: `export default () => { throw new Error('${WRITTEN}'); };`,
};

export async function deployFunctions(api: ApiClient): Promise<void> {
  for (const [name, source] of Object.entries(FUNCTIONS))
    await api.call("PUT", `/v1/functions/${name}`, { source, public: true });
}

/** One that does not stop in time takes along what runs beside it. */
function passOverKilled(error: unknown): void {
  if (!String(error).includes("executor_killed")) throw error;
}

async function makeRound(api: ApiClient, sink: HttpSink, round: number): Promise<void> {
  const once = { maxAttempts: 1 };
  const twice = { maxAttempts: 2, backoff: { initial: "50ms", jitter: false } };
  // Another revision each time, and now and then an executor that must be replaced.
  await api.call("PUT", "/v1/functions/greet", { source: `${FUNCTIONS.greet} // ${round}` });
  if (round % 5 === 1)
    await api.call("POST", "/v1/tasks", {
      type: "function",
      function: "endless",
      timeout: "300ms",
      retry: once,
    });
  await Promise.all([
    api.call("POST", "/v1/functions/greet/invoke", { name: WRITTEN }).catch(passOverKilled),
    fetch(`${api.url}/fn/default/page/${WRITTEN}`).then((response) => response.text()),
    fetch(`${api.url}/no-such-page-${WRITTEN}`).then((response) => response.text()),
    api.call("POST", "/v1/tasks", { type: "http", url: `${sink.url}/hook-${WRITTEN}?round=${round}` }),
    api.call("POST", "/v1/tasks", { type: "http", url: "http://10.47.11.1/", retry: once }),
    api.call("POST", "/v1/tasks", {
      ...{ type: "email", to: "user@example.com", subject: WRITTEN, body: "text" },
    }),
    api.call("POST", "/v1/tasks", { type: "function", function: "broken", retry: twice }),
    api.call("POST", "/v1/tasks", {
      ...{ type: "function", function: "greet", input: { name: WRITTEN } },
      schedule: { delay: "1s" },
    }),
  ]);
}

/** A round a second. */
export function makeTraffic(api: ApiClient, sink: HttpSink): { stop(): Promise<void> } {
  let isStopped = false;
  let failure: unknown;
  const running = (async () => {
    for (let round = 1; !isStopped; round++) {
      await makeRound(api, sink, round);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  })().catch((error) => {
    failure = error;
  });
  return {
    async stop() {
      isStopped = true;
      await running;
      if (failure) throw failure;
    },
  };
}
