/** What an author of functions imports, in a project of his own. */
import type { Context, FetchHandler, FunctionHandler } from "bellhop";

export const greet: FunctionHandler<{ name: string }, string> = async ({ name }, ctx: Context) => {
  ctx.log.info("called", { name, attempt: ctx.attempt });
  if (name === "") throw new Retry({ after: "10m" });
  const seen = await ctx.kv.get<number>(name);
  await ctx.kv.set(name, (seen ?? 0) + 1);
  return `Hello, ${name}`;
};

export const site: FetchHandler = {
  async fetch(request, env, ctx) {
    ctx.waitUntil(Promise.resolve());
    return new Response(`${request.url} ${env["GREETING"]}`);
  },
};

// @ts-expect-error a log line needs a message
export const wrong: FunctionHandler = (_input, ctx) => ctx.log.info();
