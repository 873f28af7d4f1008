/** `/fn/{namespace}/{name}[@tag]/…`: method, query, headers, body and answer are between the caller and the function. */
import { z } from "zod";
import { jsonOutput, nameField } from "../../core/contracts/common.ts";
import { INVOCATION_ERRORS } from "../calls/call-end.ts";
import { TRAFFIC_KEY_HEADER, trafficKeyHeader } from "../calls/traffic-key.ts";
import { ANY_TYPE, defineRoute } from "../http/route.ts";
import { answerFnCall } from "./handler.ts";

export const fnRoute = defineRoute({
  method: "ALL",
  path: "/fn/*",
  template: "/fn/{namespace}/{name}/{path}",
  operationId: "callFunction",
  summary: "Call a function by its URL",
  description:
    "The function sees the rest of the path, however many parts it has, and decides on the response. A public function needs no key; any other a key with the scope `invoke`. `{name}@{tag}` reaches a tag.",
  access: null,
  params: {
    namespace: nameField.meta({ description: "The function's namespace.", examples: ["default"] }),
    name: z
      .string()
      .meta({ description: "The function's name, optionally with `@` and a tag.", examples: ["greet"] }),
    path: z
      .string()
      .meta({ description: "The path that the function sees; it may be empty.", examples: ["any/path"] }),
  },
  takesAnyQuery: true,
  headers: { [TRAFFIC_KEY_HEADER]: trafficKeyHeader },
  ownBody: { content: { [ANY_TYPE]: z.string() }, isOptional: true },
  idempotency: {
    by: null,
    why: "The header is the function's, like all others: it sees the key, and knows what a repetition is.",
  },
  answers: {
    200: {
      is: "The function's response, with any status.",
      content: { [ANY_TYPE]: jsonOutput.meta({ description: "Anything: text, JSON, bytes." }) },
      headers: ["bellhop-run-id"],
    },
  },
  errors: {
    ...INVOCATION_ERRORS,
    401: ["unauthenticated"],
    403: ["forbidden"],
    404: ["not_found", ...INVOCATION_ERRORS[404]!],
    405: ["method_not_allowed"],
    408: ["request_body_too_slow"],
    413: ["body_too_large", "input_too_large"],
    429: ["rate_limited"],
    503: [...(INVOCATION_ERRORS[503] ?? []), "function_busy", "issuer_unavailable", "too_many_bodies"],
  },
  handle: ({ parts, context }) => answerFnCall(parts, context),
});
