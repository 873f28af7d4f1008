/** The answer of an operation as the result of a tool: bounded text, and for an error what is wrong and what to do. */
import type { Problem } from "../../core/contracts/problem.ts";
import { REMEDIES } from "../../core/contracts/remedies.ts";
import { PROBLEM_CONTENT_TYPE } from "../../core/problem.ts";

export const MAX_RESULT_CHARACTERS = 100_000;

export interface ToolResult {
  // The SDK's type is open.
  [name: string]: unknown;
  content: { type: "text"; text: string }[];
  isError?: true;
}

export async function toResult(response: Response): Promise<ToolResult> {
  const { text, isCut } = await readText(response);
  if (!response.ok) return toErrorResult(isCut ? "" : text, response);
  const runId = response.headers.get("bellhop-run-id");
  return {
    content: [
      ...toContent(text === "" ? "Done." : text),
      ...(isCut ? toContent(CUT) : []),
      ...(runId === null ? [] : toContent(`Run: ${runId}`)),
    ],
  };
}

const CUT = `The response is longer than ${MAX_RESULT_CHARACTERS.toLocaleString("en")} characters and was truncated. Ask for less: a smaller limit, a filter, or a single item.`;

const toContent = (text: string): ToolResult["content"] => [{ type: "text", text }];

function toErrorResult(text: string, { headers, status, statusText }: Response): ToolResult {
  const isProblem = headers.get("content-type") === PROBLEM_CONTENT_TYPE;
  if (!isProblem || text === "")
    return describeProblem({ detail: `HTTP ${status} ${statusText}`, code: "unknown" }, null);
  return describeProblem(JSON.parse(text) as Problem, headers.get("retry-after"));
}

/** The sentence, the code, the fields, and what to do about it. */
export function describeProblem(
  { detail, code, errors = [], runId }: Pick<Problem, "detail" | "code" | "errors" | "runId">,
  retryAfter: string | null,
): ToolResult {
  const fields = errors.map(({ field, message, file, line, column }) => {
    const place = [file, line, column].filter((part) => part !== undefined).join(":");
    return `${field}: ${message}${place === "" ? "" : ` (${place})`}`;
  });
  const remedy = (REMEDIES as Record<string, string | undefined>)[code];
  const lines = [
    `${detail} (${code})`,
    ...fields.filter((line) => line !== detail),
    ...(remedy === undefined ? [] : [remedy]),
    ...(retryAfter === null ? [] : [`Try again in ${retryAfter} s.`]),
    ...(runId === undefined ? [] : [`Run: ${runId}`]),
  ];
  return { content: toContent(lines.join("\n")), isError: true };
}

/** No more than is shown is read. */
async function readText({ body }: Response): Promise<{ text: string; isCut: boolean }> {
  if (!body) return { text: "", isCut: false };
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_RESULT_CHARACTERS)
      return { text: text.slice(0, MAX_RESULT_CHARACTERS).toWellFormed(), isCut: true };
  }
  return { text: text + decoder.decode(), isCut: false };
}
