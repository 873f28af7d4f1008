/** What the errands have in common: clients, and what they have asked. */
import { type Client, createClient, type Schemas, unwrap } from "bellhop/client";

const { BASE, KEY, SINK } = process.env as Record<string, string>;
/** A server that tasks call; `/later` completes later, `/complete-url` tells where. */
export const sink = SINK!;

export type Errands = Record<string, () => Promise<void>>;

/** Operations that were answered with success, as `GET /v1/tasks/{id}`. */
export const done = new Set<string>();

export function clientOf(key: string, namespace?: string): Client {
  const client = createClient({ baseUrl: BASE!, key, ...(namespace === undefined ? {} : { namespace }) });
  client.use({
    onResponse({ request, response, schemaPath }) {
      if (response.status < 400) done.add(`${request.method} ${schemaPath}`);
    },
  });
  return client;
}

export const key = KEY!;
export const bellhop = clientOf(key);

export function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`not as expected: ${what}`);
}

export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let looks = 0; looks < 6_000; looks += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain for: ${look}`);
}

/** The run when it has ended; a dead letter waits for somebody. */
export const ended = (id: string): Promise<Schemas["RunWithInput"]> =>
  until(async () => {
    const run = await unwrap(bellhop.GET("/v1/runs/{id}", { params: { path: { id } } }));
    return run.finishedAt === null && run.state !== "dead" ? undefined : run;
  });

/** Made or changed, and shown. */
export async function shown<Data>(asked: Parameters<typeof unwrap<Data>>[0]): Promise<NonNullable<Data>> {
  return (await unwrap(asked)) as NonNullable<Data>;
}

export async function gone(asked: Promise<{ response: Response }>): Promise<void> {
  expect((await asked).response.status === 204, "it is gone");
}

/** It was refused, with this status and code. */
export async function refused(
  asked: Promise<{ response: Response; error?: unknown }>,
  status: number,
  code: string,
): Promise<void> {
  const { response, error } = await asked;
  const problem = error as Schemas["Problem"] | undefined;
  expect(
    response.status === status && problem?.code === code,
    `${code}, not ${response.status} ${problem?.code}`,
  );
}

export async function deploy(name: string, source: string): Promise<Schemas["Function"]> {
  return await shown(bellhop.PUT("/v1/functions/{name}", { params: { path: { name } }, body: { source } }));
}

export async function makeTask(body: object): Promise<Schemas["Task"]> {
  const made = await shown(bellhop.POST("/v1/tasks", { body: body as never }));
  return made as Schemas["Task"];
}
