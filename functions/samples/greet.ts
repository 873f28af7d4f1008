import type { Context } from "bellhop";

/** The smallest function: reads its input, writes a log line, answers. */
export default async function greet(input: { name?: string }, ctx: Context) {
  const name = input.name ?? "world";
  ctx.log.info("greeting", { name });
  return { hello: name };
}
