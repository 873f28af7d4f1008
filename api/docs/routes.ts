/** `/docs`: the API's document for people, and what to do about each error. Everything they show comes from here: no script runs that is not ours, none is inline. */
import { readFileSync } from "node:fs";
import type { Context } from "hono";
import { z } from "zod";
import { defineRoute, type Route } from "../http/route.ts";
import { ERRORS_PATH, renderErrorsPage } from "./errors-page.ts";
import { listErrors } from "./list-errors.ts";
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
const SAME = { is: "Your version is current.", headers: ["etag"] } as const;

const readAsset = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

function guard(context: Context): void {
  context.header("content-security-policy", POLICY);
  context.header("x-content-type-options", "nosniff");
  context.header("referrer-policy", "no-referrer");
}

/** What the pages are made of; each is asked when somebody wants the page. */
interface DocsParts {
  /** As it is published. */
  readDocument: () => PublishedDocument;
  listRoutes: () => readonly Route[];
}

export function docsRoutes({ readDocument, listRoutes }: DocsParts): Route[] {
  return [
    pageRoute({
      ...{ path: "/docs", operationId: "readDocs", summary: "Read this document as a page" },
      render: (root) => renderPage(readDocument(), root),
    }),
    pageRoute({
      ...{ path: ERRORS_PATH, operationId: "readErrorsPage", summary: "Read what to do about each error" },
      render: (root) => renderErrorsPage(listErrors(listRoutes()), root),
    }),
    assetRoute({
      ...{ path: "/docs/page.css", operationId: "readDocsStyle", summary: "Read the pages' style" },
      ...{ is: "The style.", contentType: CSS, content: readAsset("page.css") },
    }),
    assetRoute({
      ...{ path: "/docs/page.js", operationId: "readDocsScript", summary: "Read the pages' script" },
      ...{ is: "The script.", contentType: SCRIPT, content: readAsset("page.js") },
    }),
  ];
}

interface DocsRoute {
  path: string;
  operationId: string;
  summary: string;
}

/** @param render the page, by what leads from it to the API's root */
function pageRoute({ render, ...route }: DocsRoute & { render: (root: string) => string }): Route {
  const pages = new Map<string, string>();
  /** Made once for each address that it has. */
  const findPage = (root: string): string => {
    const page = pages.get(root) ?? render(root);
    pages.set(root, page);
    return page;
  };
  return defineRoute({
    ...{ ...route, method: "GET", access: null, isUnconditional: true },
    answers: { 200: { is: "The page.", content: { [HTML]: z.string() }, headers: ["etag"] }, 304: SAME },
    async handle({ context }) {
      guard(context);
      const content = findPage(rootOf(route.path, new URL(context.req.url).pathname));
      return { status: 200, content, contentType: HTML } as const;
    },
  });
}

/** A step up for each slash behind the first; one at the end counts, and the page may be served below a path of a proxy. */
function rootOf(path: string, asked: string): string {
  const steps = path.split("/").length - 2 + (asked.endsWith("/") ? 1 : 0);
  return "../".repeat(steps);
}

interface Asset extends DocsRoute {
  is: string;
  contentType: typeof CSS | typeof SCRIPT;
  content: string;
}

function assetRoute({ is, contentType, content, ...route }: Asset): Route {
  return defineRoute({
    ...{ ...route, method: "GET", access: null, isUnconditional: true },
    answers: { 200: { is, content: { [contentType]: z.string() }, headers: ["etag"] }, 304: SAME },
    async handle({ context }) {
      guard(context);
      return { status: 200, content, contentType } as const;
    },
  });
}
