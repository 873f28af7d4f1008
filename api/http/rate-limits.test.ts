import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { BellhopError } from "../../core/errors.ts";
import { answerProblem } from "./problem.ts";
import { type RateLimit, showRateLimits } from "./rate-limits.ts";

const REQUESTS: RateLimit = {
  name: "requests",
  quota: 100,
  windowSeconds: 60,
  remaining: 42,
  resetSeconds: 17,
};
const DAILY: RateLimit = {
  name: "runs",
  quota: 5_000,
  windowSeconds: 86_400,
  remaining: 0,
  resetSeconds: 3_600,
};

async function ask(limits: RateLimit[], isRefused = false) {
  const app = new Hono();
  app.use(async (context, next) => {
    showRateLimits(context, limits);
    if (isRefused) throw new BellhopError("overloaded", 429, "no");
    await next();
  });
  app.get("/", (context) => context.json({}));
  app.onError((error, context) => answerProblem(context, error as BellhopError));
  const { status, headers } = await app.request("/");
  return [status, headers.get("ratelimit-policy"), headers.get("ratelimit")];
}

test("an answer says what each limit is and what is left of it", async () => {
  assert.deepEqual(await ask([REQUESTS, DAILY]), [
    200,
    '"requests";q=100;w=60, "runs";q=5000;w=86400',
    '"requests";r=42;t=17, "runs";r=0;t=3600',
  ]);
});

test("a refusal says it too", async () => {
  assert.deepEqual(await ask([DAILY], true), [429, '"runs";q=5000;w=86400', '"runs";r=0;t=3600']);
});

test("without a limit there is no header", async () => {
  assert.deepEqual(await ask([]), [200, null, null]);
});
