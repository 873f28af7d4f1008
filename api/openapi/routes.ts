/** `/openapi.json`: the document of all routes, this one included. */
import { z } from "zod";
import { defineRoute, type Feature } from "../http/route.ts";
import { describeApi } from "./document.ts";

const openApiDocument = z
  .object({ openapi: z.literal("3.1.1") })
  .catchall(z.unknown())
  .meta({ description: "An OpenAPI 3.1 document.", examples: [{ openapi: "3.1.1" }] });

/** @param listFeatures everything that is described; it is asked once, when somebody wants the document */
export function documentFeature(listFeatures: () => Feature[]): Feature {
  let text: string | undefined;
  return {
    tag: "Document",
    description: "What you are reading.",
    routes: [
      defineRoute({
        method: "GET",
        path: "/openapi.json",
        operationId: "getOpenApiDocument",
        summary: "Get this document",
        access: null,
        isUnconditional: true,
        answers: { 200: { is: "The document.", content: { "application/json": openApiDocument } } },
        async handle() {
          text ??= JSON.stringify(describeApi(listFeatures()));
          return { status: 200, content: text, contentType: "application/json" } as const;
        },
      }),
    ],
  };
}
