/** `/docs`: the API's document for people. Everything it shows comes from here: no script runs that is not ours, none is inline. */
import { readFileSync } from "node:fs";
import type { Context } from "hono";
import { z } from "zod";
import { defineRoute, type Route } from "../http/route.ts";
import { renderPage } from "./page.ts";
import type { PublishedDocument } from "./published.ts";

const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src data:"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join("; ");

const HTML = "text/html; charset=utf-8" as const;
const CSS = "text/css; charset=utf-8" as const;
const SCRIPT = "text/javascript; charset=utf-8" as const;

/** `If-None-Match` is answered by Hono's own middleware (app.ts). */
const SAME = { is: "It is the one you have.", headers: ["etag"] } as const;

const readAsset = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

function guard(context: Context): void {
  context.header("content-security-policy", POLICY);
  context.header("x-content-type-options", "nosniff");
  context.header("referrer-policy", "no-referrer");
}

/** @param readDocument as it is published; asked when somebody wants the page */
export function docsRoutes(readDocument: () => PublishedDocument): Route[] {
  const style = readAsset("page.css");
  const script = readAsset("page.js");
  const pages = new Map<string, string>();
  /** Made once for each address that it has. */
  const findPage = (root: string): string => {
    const page = pages.get(root) ?? renderPage(readDocument(), root);
    pages.set(root, page);
    return page;
  };
  return [
    defineRoute({
      method: "GET",
      path: "/docs",
      operationId: "readDocs",
      summary: "Read this document as a page",
      access: null,
      isUnconditional: true,
      answers: { 200: { is: "The page.", content: { [HTML]: z.string() }, headers: ["etag"] }, 304: SAME },
      async handle({ context }) {
        guard(context);
        const content = findPage(new URL(context.req.url).pathname.endsWith("/") ? "../" : "");
        return { status: 200, content, contentType: HTML } as const;
      },
    }),
    defineRoute({
      method: "GET",
      path: "/docs/page.css",
      operationId: "readDocsStyle",
      summary: "Read the page's style",
      access: null,
      isUnconditional: true,
      answers: { 200: { is: "The style.", content: { [CSS]: z.string() }, headers: ["etag"] }, 304: SAME },
      async handle({ context }) {
        guard(context);
        return { status: 200, content: style, contentType: CSS } as const;
      },
    }),
    defineRoute({
      method: "GET",
      path: "/docs/page.js",
      operationId: "readDocsScript",
      summary: "Read the page's script",
      access: null,
      isUnconditional: true,
      answers: {
        200: { is: "The script.", content: { [SCRIPT]: z.string() }, headers: ["etag"] },
        304: SAME,
      },
      async handle({ context }) {
        guard(context);
        return { status: 200, content: script, contentType: SCRIPT } as const;
      },
    }),
  ];
}
