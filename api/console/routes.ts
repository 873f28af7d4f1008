/** `/console`: the page for people. Its scripts and styles come from here alone, and so does all that it asks for. */

import type { Context } from "hono";
import { html } from "hono/html";
import { z } from "zod";
import { BellhopError } from "../../core/errors.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { ANY_TYPE, defineRoute, type Feature } from "../http/route.ts";
import { type ConsoleBundle, type ConsoleFile, readConsoleBundle } from "./bundle.ts";
import { oidcRoutes } from "./oidc-routes.ts";
import { signInRoute } from "./sign-in.ts";

/** An e-mail is shown in a frame without an origin (sandbox), which inherits this policy and narrows it. */
const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src data:"],
  ...["connect-src 'self'", "font-src 'none'", "frame-src 'none'", "base-uri 'none'", "form-action 'none'"],
  ...["frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types email"],
].join("; ");

const HTML = "text/html; charset=utf-8" as const;
/** The name of each file holds the hash of its content. */
const FOREVER = "public, max-age=31536000, immutable";

function guard(context: Context): void {
  context.header("content-security-policy", POLICY);
  context.header("x-content-type-options", "nosniff");
  context.header("referrer-policy", "no-referrer");
  // Pages of functions have the same origin: none that opens the console, or is opened by it, gets hold of its window.
  context.header("cross-origin-opener-policy", "noopener-allow-popups");
  context.header("permissions-policy", "camera=(), geolocation=(), microphone=()");
}

/**
 * @param root what leads from the page to the API's root, so that the console works below any path of a proxy
 * @param providerName the OpenID provider at which people may sign in
 */
const renderPage = (
  { script, style }: ConsoleBundle,
  root: string,
  providerName: string | undefined,
) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="bellhop-openid-provider" content="${providerName ?? ""}">
<title>Bellhop</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${root}console/assets/${style}">
<script type="module" src="${root}console/assets/${script}"></script>
</head>
<body><div id="app"></div><noscript>The console needs JavaScript. The API's document is at /docs.</noscript></body>
</html>
`;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23b4552d' d='M8 3a5.5 5.5 0 0 0-5.5 5.5V11h11V8.500A5.500 5.500 0 0 0 8 3zM1.500 12h13v1.500h-13zM7.250 1h1.500v1.500h-1.500z'/%3E%3C/svg%3E";

/** `/console/tasks/1` is two steps below the root. */
function rootOf(path: string): string {
  const below = path.slice(path.indexOf("/console") + 1);
  return "../".repeat(below.split("/").length - 1);
}

function toResponse(context: Context<ApiEnv>, file: ConsoleFile): Response {
  const accepted = context.req.header("accept-encoding") ?? "";
  const coding = /\bbr\b/.test(accepted) ? "br" : /\bgzip\b/.test(accepted) ? "gzip" : undefined;
  context.header("content-type", file.contentType);
  context.header("cache-control", FOREVER);
  context.header("vary", "Accept-Encoding");
  if (coding) context.header("content-encoding", coding);
  return context.body(new Uint8Array(file[coding ?? "identity"]));
}

export function consoleFeature(): Feature {
  let read: ConsoleBundle | undefined;
  const findBundle = () => {
    read ??= readConsoleBundle();
    return read;
  };
  const showPage = (context: Context, { oidcSignIn }: ApiParts) => {
    guard(context);
    context.header("cache-control", "no-cache");
    const root = rootOf(new URL(context.req.url).pathname);
    const content = String(renderPage(findBundle(), root, oidcSignIn?.name));
    return Promise.resolve({ status: 200, content, contentType: HTML } as const);
  };
  const page = { is: "The page.", content: { [HTML]: z.string() } } as const;
  return {
    prepare: findBundle,
    tag: "Console",
    description: "The console: a page for people, which uses the API like any other client.",
    routes: [
      defineRoute({
        method: "GET",
        path: "/",
        operationId: "findConsole",
        summary: "Go to the console",
        access: null,
        isUnconditional: true,
        takesAnyQuery: true,
        answers: { 302: { is: "The console.", headers: ["location"] } },
        handle: () => Promise.resolve({ status: 302, headers: { location: "/console" } } as const),
      }),
      defineRoute({
        method: "GET",
        path: "/console",
        operationId: "readConsole",
        summary: "Read the console's page",
        access: null,
        isUnconditional: true,
        takesAnyQuery: true,
        answers: { 200: page },
        handle: ({ context, parts }) => showPage(context, parts),
      }),
      signInRoute,
      ...oidcRoutes,
      defineRoute({
        method: "GET",
        path: "/console/assets/:file",
        operationId: "readConsoleFile",
        summary: "Read a script or style of the console",
        access: null,
        params: { file: z.string().meta({ description: "The file name from the page." }) },
        answers: { 200: { is: "The file.", content: { [ANY_TYPE]: z.string() } } },
        errors: { 404: ["not_found"] },
        async handle({ context, params: { file } }) {
          guard(context);
          const found = findBundle().files.get(file);
          if (!found) throw new BellhopError("not_found", 404, "The console has no such file.");
          return toResponse(context, found);
        },
      }),
      defineRoute({
        method: "GET",
        // Line breaks, too.
        path: "/console/:view{[^]+}",
        template: "/console/{view}",
        operationId: "readConsoleView",
        summary: "Read the console's page at one of its views",
        access: null,
        isUnconditional: true,
        takesAnyQuery: true,
        params: { view: z.string().meta({ description: "A path of the console.", examples: ["tasks"] }) },
        answers: { 200: page },
        handle: ({ context, parts }) => showPage(context, parts),
      }),
    ],
  };
}
