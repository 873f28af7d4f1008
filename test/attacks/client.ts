/** The API as an attacker or a neighbour uses it: every answer is an answer, whatever its status. */
import type { Json } from "../../core/json.ts";
import type { Attack, LogLine } from "./attack.ts";
import { DEFAULT_LIMITS } from "./attack.ts";

export interface Answer {
  status: number;
  body: Json;
  /** Of a problem document. */
  code: string;
  runId: string | undefined;
  tookMs: number;
}

export class Client {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  async request(method: string, path: string, body?: Json): Promise<Answer> {
    const startedAt = performance.now();
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        "content-type": "application/json",
        // One that is kept may be closed by the API in the moment in which it is used again.
        connection: "close",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed = (text === "" ? null : JSON.parse(text)) as Json;
    return {
      status: response.status,
      body: parsed,
      code: response.ok ? "" : String((parsed as { code?: string } | null)?.code),
      runId: response.headers.get("bellhop-run-id") ?? undefined,
      tookMs: performance.now() - startedAt,
    };
  }

  deploy(
    name: string,
    { source, files, limits, reuse }: Pick<Attack, "source" | "files" | "limits" | "reuse">,
  ) {
    return this.request("PUT", `/v1/functions/${name}`, {
      files: { "index.ts": source, ...files },
      entry: "index.ts",
      limits: { ...DEFAULT_LIMITS, ...limits },
      ...(reuse === undefined ? {} : { reuse }),
    } as Json);
  }

  invoke(name: string, input: Json): Promise<Answer> {
    return this.request("POST", `/v1/functions/${name}/invoke`, input);
  }

  /** The run and its log lines as texts and as lines. */
  async recall(runId: string): Promise<{ said: string; lines: LogLine[] }> {
    const lines: LogLine[] = [];
    const run = await this.request("GET", `/v1/runs/${runId}`);
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await this.request(
        "GET",
        `/v1/runs/${runId}/logs?limit=200${cursor && `&cursor=${cursor}`}`,
      );
      const { items, nextCursor } = page.body as unknown as { items: LogLine[]; nextCursor: string | null };
      lines.push(...items);
      cursor = nextCursor;
    }
    return { said: JSON.stringify(run.body) + lines.map((line) => JSON.stringify(line)).join("\n"), lines };
  }
}
