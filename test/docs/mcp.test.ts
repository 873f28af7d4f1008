/** docs/mcp.md: its table is that of the code. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MAX_BODY_BYTES } from "../../api/bodies/body.ts";
import { apiFeatures } from "../../api/features.ts";
import { describeTools } from "../../api/mcp/describe-tools.ts";
import { MAX_RESULT_CHARACTERS } from "../../api/mcp/to-result.ts";
import { TOOLS } from "../../api/mcp/tools.ts";
import { templateOf } from "../../api/openapi/document.ts";
import { DEFAULT_SETTINGS } from "../../api/testing/default-settings.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/mcp.md");

test("the table has every tool, with its scope and its operation", () => {
  const rows = [...describeTools(apiFeatures(DEFAULT_SETTINGS)).values()].map(({ tool, route }) => {
    const title = `${tool.title[0]!.toLowerCase()}${tool.title.slice(1)}`;
    return `| \`${tool.name}\` | ${title} | ${route.access} | \`${route.method} ${templateOf(route)}\` |`;
  });
  const shown = page.split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(shown, rows);
});

test("its figures are those of the code", () => {
  const figures = (text: string) =>
    text.match(/\d{1,3}(,\d{3})+/g)!.map((figure) => figure.replaceAll(",", ""));
  assert.deepEqual(figures(page).map(Number).sort(), [MAX_RESULT_CHARACTERS, MAX_BODY_BYTES].sort());
  assert.match(read("CHANGELOG.md"), new RegExp(`MCP server.*: ${TOOLS.length} tools`));
});
