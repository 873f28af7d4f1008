import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant } = await openApi({ withSecrets: false });

test("without a key no secret is taken, and the answer says which setting is missing", async () => {
  const tenant = await newTenant();
  const answer = await tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value: "long enough" } });
  assertProblem(answer, 503, "secrets_unavailable");
  assert.match(answer.body.detail, /BELLHOP_SECRETS_KEY/);
  assert.deepEqual((await tenant.call("GET", "/v1/secrets")).body.items, []);
});

test("without a key there are no signing secrets", async () => {
  const tenant = await newTenant();
  for (const [method, path] of [
    ["GET", "/v1/signing-secrets"],
    ["POST", "/v1/signing-secrets/rotate"],
  ] as const) {
    const answer = await tenant.call(method, path);
    assertProblem(answer, 503, "secrets_unavailable");
    assert.match(answer.body.detail, /BELLHOP_SECRETS_KEY/);
  }
});
