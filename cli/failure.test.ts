import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT } from "./exit-codes.ts";
import { unreachable } from "./failure.ts";

const URL = "http://127.0.0.1:3000";
const failed = (code: string) =>
  new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });

test("an API that is not there is told from one that has not answered yet", () => {
  const refused = unreachable(URL, failed("ECONNREFUSED"));
  assert.equal(refused.message, `Nobody answers at ${URL} (ECONNREFUSED).`);
  const silent = unreachable(URL, failed("UND_ERR_HEADERS_TIMEOUT"));
  assert.match(silent.message, /has not answered for five minutes.*may still be under way/);
  assert.equal(silent.code, "no_answer");
  assert.equal(silent.exitCode, EXIT.unreachable);
});
