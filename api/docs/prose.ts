/** Descriptions as HTML: paragraphs, lists of lines that begin with a dash, and code between backticks. */
import { html } from "hono/html";
import type { Html } from "./html.ts";

export function renderProse(text: string): Html {
  return html`${text.split(/\n{2,}/).map(renderBlock)}`;
}

function renderBlock(block: string): Html {
  const lines = block.split("\n");
  if (!lines.every((line) => line.startsWith("- "))) return html`<p>${renderInline(block)}</p>`;
  return html`<ul>${lines.map((line) => html`<li>${renderInline(line.slice(2))}</li>`)}</ul>`;
}

/** A backtick without its partner stands for itself. */
export function renderInline(text: string): Html {
  const parts = text.split(/`([^`]*)`/);
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
