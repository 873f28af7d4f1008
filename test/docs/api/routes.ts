/** Chapters "Routes" and "Problems", and the table of "Invoke": what the document of the API says as well. */
import assert from "node:assert/strict";
import { INVOCATION_ERRORS } from "../../../api/calls/call-end.ts";
import { MAX_WAITING_CALLERS } from "../../../api/calls/invoke.ts";
import { apiFeatures } from "../../../api/features.ts";
import type { Route } from "../../../api/http/route.ts";
import { errorsOf } from "../../../api/openapi/errors-of.ts";
import { DEFAULT_SETTINGS } from "../../../api/testing/default-settings.ts";
import { QUEUE_WAIT_MS } from "../../../core/domain/call-durations.ts";
import { MAX_WAITING_BUILDS } from "../../../functions/build/build-queue.ts";
import { readRows, readTable, withoutBackticks } from "./document.ts";
import { held, isStatusOrCode, n, type Statement, statement } from "./statement.ts";

const ROUTES = "| route | scope | success |";
const PROBLEMS = "| status | codes |";
const INVOKE = "| status | code |";
/** They are told of beside the table. */
const ELSEWHERE = new Set([
  ...["/healthz", "/readyz", "/metrics"],
  ...["/openapi.json", "/docs", "/docs/errors", "/docs/page.css", "/docs/page.js"],
  ...["/console/assets/:file", "/console/:view{[^]+}"],
]);
const FUNCTION_URL = "/fn/{namespace}/{name}[@tag]/…";

const routes = apiFeatures(DEFAULT_SETTINGS)
  .flatMap((feature) => feature.routes)
  .filter(({ path }) => !ELSEWHERE.has(path));
const withoutNames = (path: string) => path.replaceAll(/\{\w+\}|:\w+/g, "{}");

interface ToldRoute {
  path: string;
  scope: string;
  success: string;
}

const readRoutes = (): ToldRoute[] =>
  readRows(ROUTES)
    .map((cells) => cells.map(withoutBackticks))
    .flatMap(([paths, scope, success]) =>
      paths!.split(", ").map((path) => ({ path, scope: scope!, success: success! })),
    );

const nameOf = ({ method, path }: Route) => `${method} ${withoutNames(path)}`;

function assertIsTold(route: Route, { path, scope, success }: ToldRoute): void {
  assert.equal(scope.split(":")[0], route.access ?? "none", path);
  const statuses = [...success.matchAll(/\b\d{3}\b/g)].map(([status]) => Number(status));
  assert.deepEqual(statuses.sort(), Object.keys(route.answers).map(Number).sort(), path);
  const hasLocation = Object.values(route.answers).some(({ headers }) => headers?.includes("location"));
  if (success.includes("Location")) assert.ok(hasLocation, path);
}

type Pair = `${number} ${string}`;

const readPairs = (head: string): Pair[] =>
  readRows(head).flatMap(([status, codes]) =>
    [...codes!.matchAll(/`([a-z_]+)`/g)].map(([, code]): Pair => `${Number(status)} ${code!}`),
  );

const pairsOf = (errors: Record<number, Iterable<string>>): Pair[] =>
  Object.entries(errors).flatMap(([status, codes]) =>
    [...codes].filter((code) => code !== "*").map((code) => `${Number(status)} ${code}` as Pair),
  );

/** Of a path or method that no route has, of an unknown hook, and of a function's own failure, which is "any other". */
const BESIDES: Pair[] = [
  "404 no_such_route",
  "405 method_not_allowed",
  "500 function_error",
  "500 unrecordable_result",
];

const sorted = (pairs: Iterable<Pair>) => [...new Set(pairs)].sort();

export const ROUTE_STATEMENTS: Statement[] = [
  statement(withoutBackticks(readTable(ROUTES)), () => {
    const told = new Map(
      readRoutes().map((row) => [
        row.path.endsWith(FUNCTION_URL) ? "ALL /fn/*" : withoutNames(row.path),
        row,
      ]),
    );
    assert.deepEqual([...told.keys()].sort(), routes.map(nameOf).sort());
    for (const route of routes) if (route.method !== "ALL") assertIsTold(route, told.get(nameOf(route))!);
  }),
  {
    says: withoutBackticks(readTable(PROBLEMS)),
    covers: isStatusOrCode,
    holds() {
      const told = [...readPairs(PROBLEMS), ...readPairs(INVOKE)];
      const answered = routes.flatMap((route) => pairsOf(errorsOf(route)));
      assert.deepEqual(sorted(told), sorted([...answered, ...BESIDES]));
    },
  },
  {
    says: withoutBackticks(readTable(INVOKE)),
    covers: isStatusOrCode,
    holds() {
      const told = readPairs(INVOKE).filter((pair) => !BESIDES.includes(pair));
      const answered = pairsOf(INVOCATION_ERRORS).filter((pair) => pair !== "400 bad_request");
      const ofUrlsAlone: Pair[] = ["503 function_busy"];
      assert.deepEqual(sorted(told), sorted([...answered, ...ofUrlsAlone]));
    },
    heldBy: [["api/calls/invoke.test.ts", "a run that failed with"]],
  },
  held(
    `no end within the function's wallMs and ${QUEUE_WAIT_MS / 1_000} seconds, the run continues`,
    ["core/domain/call-durations.test.ts", "its attempt has more, and its caller waits longer still"],
    ["api/calls/waiting.test.ts", "who waits is let go when his time is over, and not before"],
  ),
  held(`too_many_waiting (${n(MAX_WAITING_CALLERS)} callers of this API wait for a worker)`, [
    "api/calls/waiting.test.ts",
    "beyond a thousand callers who wait, the next is told so",
  ]),
  held(
    `build_overloaded (more than ${MAX_WAITING_BUILDS} uploads of the namespace are waiting to be built)`,
    ["functions/build/build-revision.test.ts", "is refused where too many of its tenant wait"],
  ),
];
