/** `/mcp`: the API's operations as tools for models. What answers is loaded when the first message comes. */
import { z } from "zod";
import { readJsonBody } from "../bodies/body.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { demandOrigin } from "./demand-origin.ts";

export const MCP_PATH = "/mcp";

const message = z
  .object({ jsonrpc: z.literal("2.0") })
  .catchall(z.unknown())
  .meta({
    description: "A message of the Model Context Protocol (JSON-RPC 2.0).",
    examples: [{ jsonrpc: "2.0", id: 1, method: "tools/list" }],
  });

/** @param listFeatures everything that tools may ask; it is asked once, when the first message comes */
export function mcpFeature(listFeatures: () => Feature[]): Feature {
  const load = async () => (await import("./answer-message.ts")).createAnswerer(listFeatures());
  let answering: ReturnType<typeof load> | undefined;
  return {
    tag: "MCP",
    description: "The Model Context Protocol: the API for models.",
    routes: [
      defineRoute({
        method: "POST",
        path: MCP_PATH,
        operationId: "answerMcpMessage",
        summary: "Answer a message of the Model Context Protocol",
        description:
          "Streamable HTTP without sessions: each message is answered separately, as JSON. A tool call is a separate request with the caller's key. Pages of other origins are refused unless the operator lists them.",
        access: "any",
        audit: { not: "What a tool changes is audited as the request that it is." },
        idempotency: {
          by: null,
          why: "A message has an id of its own; tools that make something take a key as an argument.",
        },
        headers: {
          "mcp-protocol-version": z.string().meta({ description: "The negotiated version of the protocol." }),
        },
        ownBody: { content: { "application/json": message } },
        answers: {
          200: { is: "The response to a request.", content: { "application/json": message } },
          202: { is: "A notification was accepted." },
        },
        async handle({ parts, context }) {
          demandOrigin(context.req.header("origin"), parts.corsOrigins);
          const { value } = await readJsonBody(context);
          answering ??= load();
          const answer = await (await answering)(context, value);
          if (answer === undefined) return { status: 202 } as const;
          return { status: 200, content: answer, contentType: "application/json" } as const;
        },
      }),
    ],
  };
}
