/** What docs/api.md says that a program may rest on, and what holds it: docs/api.md is read by ../api-statements.test.ts. */
import assert from "node:assert/strict";
import type { Answer, TestApi, TestCaller } from "../../../api/testing/open-api.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import type { Json } from "../../../core/json.ts";

export interface Statement {
  /**
   * A piece of docs/api.md, to the letter but without its backticks, that stands there once. It takes its figures from
   * the code's own constants where there are any, so that neither changes without the other.
   */
  says: string;
  /** Which of its figures it holds; default: all of them. The others are another statement's. */
  covers?: (figure: string) => boolean;
  /** Fails where it is not so. Each has a tenant of its own. */
  holds?: (world: World) => void | Promise<void>;
  /** Other files' tests that fail where it is not so. */
  heldBy?: readonly Elsewhere[];
}

export interface World {
  api: TestApi;
  tenant: TestCaller;
}

/** A test file, and a piece of the name of a test in it. */
export type Elsewhere = readonly [file: `${string}.test.ts` | `${string}.suite.ts`, name: string];

export const held = (says: string, ...heldBy: Elsewhere[]): Statement => ({ says, heldBy });

export const statement = (says: string, holds: Statement["holds"] & {}): Statement => ({ says, holds });

/** As the document writes numbers: 1,000,000. */
export const n = (value: number) => value.toLocaleString("en-US");

export const HTTP_TASK = {
  type: "http",
  url: "https://example.com/",
  schedule: { delay: "1h" },
} as const;
export const EMAIL_TASK = {
  type: "email",
  to: "ada@example.com",
  subject: "Hello",
  body: "Hello",
  schedule: { delay: "1h" },
} as const;

export async function makeFunction(tenant: TestCaller, more: Record<string, Json> = {}): Promise<Answer> {
  const body = { source: "export default () => 1;", ...more };
  const answer = await tenant.call("PUT", "/v1/functions/greet", { body });
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return answer;
}

/** What is taken at a bound, and what is refused beyond it, of one field of a task: each is the fields it is sent with. */
export interface Bounds {
  /** As the refusal names it. */
  field: string;
  takes: Record<string, Json>[];
  refuses: Record<string, Json>[];
}

/** Everything at its bounds is taken, everything beyond them a 422 that names the field and makes nothing. */
export const bounded =
  (task: Record<string, Json>, { field, takes, refuses }: Bounds) =>
  async ({ tenant }: World) => {
    const post = (fields: Record<string, Json>) =>
      tenant.call("POST", "/v1/tasks", { body: { ...task, ...fields } });
    for (const fields of refuses) assertProblem(await post(fields), 422, "invalid_input", [field]);
    assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
    for (const fields of takes) {
      const { status, body } = await post(fields);
      assert.equal(status, 201, JSON.stringify(body));
    }
  };

export const isCode = (figure: string) => /^[a-z_]+$/.test(figure);
export const isStatusOrCode = (figure: string) => isCode(figure) || /^[1-5]\d\d$/.test(figure);
