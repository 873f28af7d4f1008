import assert from "node:assert/strict";
import { test } from "node:test";
import { catchUpField } from "./catch-up-field.ts";

test("what is left out of a catch-up has its default", () => {
  const byDefault = { policy: "latest", windowMs: null, max: 100 } as const;
  assert.deepEqual(catchUpField.decode({}), byDefault);
  assert.deepEqual(catchUpField.encode(byDefault), { policy: "latest", window: null, max: 100 });
});

test("a policy that nobody knows is refused with those that there are", () => {
  const parsed = catchUpField.safeDecode({ policy: "some" as never });
  assert.match(parsed.error?.issues[0]?.message ?? "", /must be one of latest, all, none/);
});
