import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { createRememberingRouter } from "./remembering-router.ts";

const PATHS = ["/v1/tasks", "/v1/tasks/batch", "/v1/tasks/:id", "/fn/*"];

function open(withMemory: boolean) {
  const app = new Hono({
    strict: false,
    ...(withMemory ? { router: createRememberingRouter(PATHS) } : {}),
  });
  const passed: string[] = [];
  app.use(async (_context, next) => {
    passed.push("all");
    await next();
  });
  app.use("/v1/*", async (_context, next) => {
    passed.push("v1");
    await next();
  });
  app.on("POST", "/v1/tasks", (context) => context.text(`made ${context.req.query("a") ?? ""}`));
  app.on("GET", "/v1/tasks", (context) => context.text("listed"));
  app.on("POST", "/v1/tasks/batch", (context) => context.text("made many"));
  app.on("GET", "/v1/tasks/:id", (context) => context.text(`one ${context.req.param("id")}`));
  app.on("ALL", "/fn/*", (context) => context.text(`called by ${context.req.method}`));
  return async (method: string, path: string) => {
    passed.length = 0;
    const answer = await app.request(path, { method });
    return { status: answer.status, text: await answer.text(), passed: [...passed] };
  };
}

test("answers as Hono's own router does, however often it is asked", async () => {
  const [remembering, own] = [open(true), open(false)];
  const paths = [
    "/v1/tasks",
    "/v1/tasks/",
    "/v1/tasks?a=1",
    "/v1/t%61sks",
    "/v1//tasks",
    "/v1/tasks/batch",
    "/v1/tasks/7",
    "/v1/tasks/8",
    "/fn/a/b",
    "/none",
  ];
  for (let n = 0; n < 2; n += 1)
    for (const method of ["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PROPFIND"])
      for (const path of paths)
        assert.deepEqual(await remembering(method, path), await own(method, path), `${method} ${path}`);
});
