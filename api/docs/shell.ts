/** What the pages of `/docs` have in common: the head, the list at the side with a field that narrows it, and the text. */
import { html } from "hono/html";
import type { Html } from "./html.ts";

interface Shell {
  title: string;
  /** What leads from the page to the API's root: `""`, or `"../"` for each slash of its address. */
  root: string;
  /** What the list is of, and its first line. */
  list: { label: string; heading: string; sections: Html | Html[] };
  main: Html;
}

export function renderShell({ title, root, list, main }: Shell): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${root}docs/page.css">
<script type="module" src="${root}docs/page.js"></script>
</head>
<body>
<nav aria-label="${list.label}">
<p class="title"><a href="#top">${list.heading}</a></p>
<label hidden>Find <input type="search" id="find" autocomplete="off"></label>
<p id="none" hidden>Nothing matches.</p>
${list.sections}
</nav>
<main id="top">
${main}
</main>
</body>
</html>
`;
  return String(page);
}
