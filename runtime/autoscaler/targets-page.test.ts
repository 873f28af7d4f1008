import assert from "node:assert/strict";
import { test } from "node:test";
import { withTargets } from "./targets-page.ts";

test("running workers are listed as Prometheus' http_sd wants them; none is an empty list", async () => {
  const addresses: string[] = [];
  const pages = withTargets(
    async () => undefined,
    () => addresses,
  );
  assert.deepEqual(await pages("/targets"), { status: 200, contentType: "application/json", body: "[]" });
  addresses.push("10.0.0.4:41234", "10.0.0.4:41235");
  assert.deepEqual(JSON.parse((await pages("/targets"))!.body), [{ targets: addresses }]);
  assert.equal(await pages("/other"), undefined);
});
