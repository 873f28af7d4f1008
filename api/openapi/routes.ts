/** `/openapi.json`: the document of all routes, this one included; and `/docs`, its pages. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { PublishedDocument } from "../docs/published.ts";
import { docsRoutes } from "../docs/routes.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { describeApi } from "./document.ts";

const openApiDocument = z
  .object({ openapi: z.literal("3.1.1") })
  .catchall(z.unknown())
  .meta({ description: "An OpenAPI 3.1 document.", examples: [{ openapi: "3.1.1" }] });

/** The document as it is sent, and what it is known by. */
interface WrittenDocument {
  text: string;
  etag: string;
}

function writeDocument(features: readonly Feature[], publicUrl?: string): WrittenDocument {
  const text = JSON.stringify(describeApi(features, publicUrl));
  return { text, etag: `"${createHash("sha256").update(text).digest("base64url")}"` };
}

/** @param listFeatures everything that is described; it is asked once, at `prepare` or when somebody wants the document */
export function documentFeature(listFeatures: () => Feature[], publicUrl?: string): Feature {
  let written: WrittenDocument | undefined;
  const findDocument = () => {
    written ??= writeDocument(listFeatures(), publicUrl);
    return written;
  };
  return {
    prepare: findDocument,
    tag: "Document",
    description: "This document, for programs and for people.",
    routes: [
      defineRoute({
        method: "GET",
        path: "/openapi.json",
        operationId: "getOpenApiDocument",
        summary: "Get this document",
        access: null,
        isUnconditional: true,
        headers: {
          "if-none-match": z.string().meta({ description: "The `ETag` of the document you have." }),
        },
        answers: {
          200: {
            is: "The document.",
            content: { "application/json": openApiDocument },
            headers: ["etag"],
          },
          304: { is: "Your version is current.", headers: ["etag"] },
        },
        // `If-None-Match` is answered by Hono's own middleware (app.ts).
        async handle() {
          const { text: content, etag } = findDocument();
          return { status: 200, content, contentType: "application/json", headers: { etag } } as const;
        },
      }),
      ...docsRoutes({
        readDocument: () => JSON.parse(findDocument().text) as PublishedDocument,
        listRoutes: () => listFeatures().flatMap(({ routes }) => routes),
      }),
    ],
  };
}
