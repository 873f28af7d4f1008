/** The client against an API of its own, which says what it was asked with. Fails where something is lost. */
import { createClient, ProblemError, unwrap } from "bellhop/client";

interface Asked {
  headers: Headers;
}

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`not as expected: ${what}`);
}

/** Of every request what it had; answered by what is given. */
function createRecorder(answer: () => Response) {
  const asked: Asked[] = [];
  const fetch = async (request: Request) => {
    asked.push({ headers: request.headers });
    return answer();
  };
  return { asked, fetch };
}

const BASE = { baseUrl: "https://bellhop.example.com", key: "bh_key", namespace: "billing" };

async function giveHeaders(): Promise<void> {
  const { asked, fetch } = createRecorder(() => Response.json({ items: [], nextCursor: null }));
  for (const headers of [
    { "x-team": "red" },
    new Headers({ "x-team": "red" }),
    [["x-team", "red"]] as [string, string][],
  ])
    await unwrap(createClient({ ...BASE, headers, fetch }).GET("/v1/tasks"));
  expect(asked.length === 3, "three requests");
  for (const { headers } of asked) {
    expect(headers.get("x-team") === "red", "its own header");
    expect(headers.get("authorization") === "Bearer bh_key", "the key");
    expect(headers.get("bellhop-namespace") === "billing", "the namespace");
  }
}

async function refusedWith(answer: () => Response): Promise<ProblemError> {
  const { fetch } = createRecorder(answer);
  const asking = unwrap(createClient({ ...BASE, fetch }).GET("/v1/tasks"));
  const error = await asking.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error instanceof ProblemError, "a problem");
  return error;
}

async function tellProblems(): Promise<void> {
  const same = await refusedWith(() => new Response(null, { status: 304 }));
  expect(same.problem.code === "not_modified", "a 304");
  const proxy = await refusedWith(() => new Response("Bad Gateway", { status: 502 }));
  expect(proxy.problem.code === "unknown" && proxy.help === undefined, "a proxy's");
  const problem = { type: "about:blank", title: "Gone", status: 410, detail: "it is gone", code: "gone" };
  const headers = { link: '<https://x/docs/errors#gone>; rel="help"' };
  const gone = await refusedWith(() => Response.json(problem, { status: 410, headers }));
  expect(gone.problem.code === "gone" && gone.help === "https://x/docs/errors#gone", "the API's");
}

void giveHeaders().then(tellProblems);
