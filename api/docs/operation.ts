/** One operation as HTML: what it needs, takes and answers. */
import { html } from "hono/html";
import type { Html } from "./html.ts";
import { renderInline, renderProse } from "./prose.ts";
import {
  type Content,
  nameOfRef,
  type Operation,
  type Parameter,
  type PublishedDocument,
  type PublishedResponse,
} from "./published.ts";
import { renderField, renderSchema } from "./schema.ts";

const NOTHING = html``;
const PLACES = { path: "In the path", query: "In the query", header: "Headers" } as const;

export interface PlacedOperation extends Operation {
  /** Upper case. */
  method: string;
  path: string;
}

export function renderOperation(
  operation: PlacedOperation,
  responses: PublishedDocument["components"]["responses"],
): Html {
  const { operationId, method, path, summary, description, parameters = [], requestBody } = operation;
  return html`<article id="${operationId}">
<h3><a href="#${operationId}">${summary}</a></h3>
<p class="route"><span class="method ${method.toLowerCase()}">${method}</span> <code>${path}</code></p>
<p class="needs">${sayNeed(operation)}</p>
${description ? renderProse(description) : NOTHING}
${(["path", "query", "header"] as const).map((place) => renderParameters(place, parameters))}
${requestBody ? html`<h4>Body${requestBody.required ? "" : ", optional"}</h4>${renderContent(requestBody.content)}` : NOTHING}
<h4>Answers</h4>
${Object.entries(operation.responses).map(([status, response]) =>
  renderResponse(status, response.$ref ? responses[nameOfRef(response.$ref)]! : response),
)}
</article>`;
}

function sayNeed({ security }: Operation): Html {
  const scope = security.find(({ bearer }) => bearer)?.["bearer"];
  if (!scope) return html`Needs no key.`;
  const may = security.some((each) => Object.keys(each).length === 0) ? "May need" : "Needs";
  const [name] = scope;
  return name ? html`${may} a key with the scope <code>${name}</code>.` : html`${may} a key of any scope.`;
}

function renderParameters(place: Parameter["in"], parameters: readonly Parameter[]): Html {
  const here = parameters.filter((parameter) => parameter.in === place);
  if (here.length === 0) return NOTHING;
  return html`<h4>${PLACES[place]}</h4><dl class="fields">${here.map(({ name, schema, required = false }) =>
    renderField(name, schema, required),
  )}</dl>`;
}

function renderContent(content: Content): Html {
  return html`${Object.entries(content).map(
    ([type, { schema, example }]) => html`<p class="media">${type}</p>
${schema ? renderSchema(schema) : NOTHING}
${example === undefined ? NOTHING : renderExample(example)}`,
  )}`;
}

function renderExample(example: unknown): Html {
  const text = typeof example === "string" ? example : JSON.stringify(example, null, 2);
  return html`<pre tabindex="0"><code>${text}</code></pre>`;
}

function renderResponse(
  status: string,
  { description, headers = {}, content = {} }: PublishedResponse,
): Html {
  if (Number(status) >= 400 && "application/problem+json" in content)
    return renderProblem(status, description);
  return html`<details class="answer"><summary><span class="status good">${status}</span> ${renderInline(description)}</summary>
${renderHeaders(headers)}
${renderContent(content)}
</details>`;
}

/** All problems have one form: what tells them apart is their code. */
function renderProblem(status: string, description: string): Html {
  return html`<details class="answer"><summary><span class="status error">${status}</span> ${codesIn(description)}</summary>
${renderProse(description)}<p>As a <a href="#schema-Problem">Problem</a>.</p></details>`;
}

/** `not_found, forbidden`: what a list of codes begins its lines with. */
function codesIn(description: string): string {
  return [...description.matchAll(/^- `(\w+)`/gm)].map(([, code]) => code).join(", ");
}

function renderHeaders(headers: NonNullable<PublishedResponse["headers"]>): Html {
  const entries = Object.entries(headers);
  if (entries.length === 0) return NOTHING;
  return html`<dl class="fields">${entries.map(
    ([name, { description = "" }]) =>
      html`<dt><code>${name}</code> <span class="type">header</span></dt><dd><p>${renderInline(description)}</p></dd>`,
  )}</dl>`;
}
