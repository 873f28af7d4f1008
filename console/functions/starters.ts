/** What a new function begins as. */
export const STARTERS = {
  greet: `import type { Context } from "bellhop";

/** Reads its input, writes a log line, answers. */
export default async function greet(input: { name?: string }, ctx: Context) {
  const name = input?.name ?? "world";
  ctx.log.info("greeting", { name });
  return { hello: name };
}
`,
  fetch: `/** Answers HTTP at the function's own URL. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    return Response.json({ path: pathname, at: new Date().toISOString() });
  },
};
`,
  watch: `import type { Context } from "bellhop";

/** Fails where a page is not there: schedule it, and the errors tell. */
export default async function watch(input: { url: string }, ctx: Context) {
  const response = await fetch(input.url);
  ctx.log.info("looked", { url: input.url, status: response.status });
  if (!response.ok) throw new Error(\`\${input.url} answered \${response.status}\`);
  return { status: response.status };
}
`,
} as const;

export type Starter = keyof typeof STARTERS;
