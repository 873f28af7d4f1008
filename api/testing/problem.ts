import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import type { Answer } from "./open-api.ts";

/** That the answer is a problem document with this status and code, and, where given, about exactly these fields. */
export function assertProblem(answer: Answer, status: number, code: string, fields?: string[]): void {
  const { body } = answer;
  assert.equal(answer.status, status, JSON.stringify(body));
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(body.code, code);
  assert.equal(body.status, status);
  assert.equal(body.type, "about:blank");
  assert.equal(body.title, STATUS_CODES[status]);
  assert.ok(typeof body.detail === "string" && body.detail.length > 0);
  if (!fields) return;
  assert.deepEqual(
    (body.errors ?? []).map(({ field }: { field: string }) => field).sort(),
    fields.toSorted(),
  );
  for (const { message } of body.errors ?? []) assert.ok(message.length > 0);
}
