/** `/docs/errors`: what to do about each error, by its code. Each has an anchor of its code's name. */
import { html } from "hono/html";
import type { Html } from "./html.ts";
import { describeOrigin, type ErrorEntry } from "./list-errors.ts";
import { renderInline } from "./prose.ts";
import { renderShell } from "./shell.ts";

/** The page's path; an error's own place on it is `#` and its code. */
export const ERRORS_PATH = "/docs/errors";

/** @param root what leads from the page to the API's root */
export function renderErrorsPage(entries: readonly ErrorEntry[], root: string): string {
  return renderShell({
    title: "Errors of Bellhop",
    root,
    list: {
      label: "Error codes",
      heading: "Errors",
      sections: html`<section><ul>${entries.map(renderLink)}</ul></section>`,
    },
    main: html`<h1>Errors</h1>
<p>What each error means and what to do about it, by its code. An answer has it as <code>code</code>, a run that failed as <code>error.code</code>; what was wrong this time stands beside it, as <code>detail</code> or <code>message</code>. The operations that answer them are on <a href="${root}docs">the page of the API</a>.</p>
${entries.map(renderEntry)}`,
  });
}

const renderLink = ({ code, meaning }: ErrorEntry): Html =>
  html`<li><a href="#${code}" title="${meaning}">${code}</a></li>`;

const renderEntry = (entry: ErrorEntry): Html =>
  html`<article id="${entry.code}"><h2><a href="#${entry.code}"><code>${entry.code}</code></a></h2>
<p class="facts">${describeOrigin(entry)}</p>
<p>${renderInline(entry.meaning)}</p>
<p><strong>What to do:</strong> ${renderInline(entry.remedy)}</p></article>
`;
