/** The API's document as one page of HTML, which needs no script to be read. */
import { html } from "hono/html";
import type { Html } from "./html.ts";
import { type PlacedOperation, renderOperation } from "./operation.ts";
import { renderProse } from "./prose.ts";
import type { PublishedDocument } from "./published.ts";
import { renderSchema } from "./schema.ts";
import { renderShell } from "./shell.ts";

/** @param root what leads from the page to the API's root: `""`, or `"../"` where its address ends with a slash */
export function renderPage(document: PublishedDocument, root: string): string {
  const { info, tags, components } = document;
  const operations = listOperations(document);
  const groups = tags.map((tag) => ({
    ...tag,
    operations: operations.filter(({ tags: [first] }) => first === tag.name),
  }));
  return renderShell({
    title: `${info.title} API ${info.version}`,
    root,
    list: {
      label: "Operations",
      heading: `${info.title} ${info.version}`,
      sections: html`${groups.map(renderGroupLinks)}
${renderSchemaLinks(Object.keys(components.schemas))}`,
    },
    main: html`<h1>${info.title} API</h1>
${renderProse(info.description)}
<p>Made of the same document as <a href="${root}openapi.json">openapi.json</a>. What to do about an error is told <a href="${root}docs/errors">by its code</a>.</p>
${groups.map(
  ({
    name,
    description,
    operations: own,
  }) => html`<section id="${idOfTag(name)}"><h2>${name}</h2>${renderProse(description)}
${own.map((operation) => renderOperation(operation, components.responses))}</section>`,
)}
<section id="schemas"><h2>Schemas</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) => html`<article id="schema-${name}"><h3><a href="#schema-${name}">${name}</a></h3>
${schema.description ? renderProse(schema.description) : ""}${renderSchema(schema)}</article>`,
)}
</section>`,
  });
}

function listOperations({ paths }: PublishedDocument): PlacedOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      path,
      method: method.toUpperCase(),
    })),
  );
}

const idOfTag = (name: string) => `tag-${name.toLowerCase().replaceAll(/\W+/g, "-")}`;

function renderGroupLinks({ name, operations }: { name: string; operations: PlacedOperation[] }): Html {
  return html`<section><h2><a href="#${idOfTag(name)}">${name}</a></h2><ul>${operations.map(
    ({ operationId, method, path, summary }) =>
      html`<li><a href="#${operationId}" title="${path}"><span class="method ${method.toLowerCase()}">${method}</span> ${summary}</a></li>`,
  )}</ul></section>`;
}

function renderSchemaLinks(names: readonly string[]): Html {
  return html`<section><h2><a href="#schemas">Schemas</a></h2><ul>${names.map(
    (name) => html`<li><a href="#schema-${name}">${name}</a></li>`,
  )}</ul></section>`;
}
