import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createSealer } from "../../core/secrets/sealer.ts";
import type { SealedEnv } from "../../core/store/secrets.ts";
import { createFormerSecrets } from "./former-secrets.ts";
import { createFunctionEnvs } from "./function-env.ts";

const sealer = createSealer([randomBytes(32)]);
const listener = { on: async () => {} };
const seal = (functionId: string | null, name: string, value: string) => {
  const place = { namespaceId: "ns", functionId, name };
  return { ...place, sealed: sealer.seal(place, value) };
};
const sealed: SealedEnv = {
  functionId: "fn",
  env: { B: "setting", C: "setting" },
  secrets: [
    ...[seal(null, "A", "namespace"), seal(null, "B", "namespace"), seal(null, "C", "namespace")],
    seal("fn", "C", "function secret"),
  ],
};

test("the function's secrets are nearest, then its settings, then the namespace's secrets", async () => {
  const envs = createFunctionEnvs({ one: async () => sealed }, sealer, listener);
  const { env, redactor } = await envs.find("fn");
  assert.deepEqual(env, { A: "namespace", B: "setting", C: "function secret" });
  assert.equal(redactor.text("function secret, setting"), "[redacted C], setting");
  assert.match(redactor.text("namespace"), /^\[redacted [ABC]\]$/, "also of one that is not seen");
});

test("what cannot be opened is refused without a word of its value", async () => {
  const withoutKey = createFunctionEnvs({ one: async () => sealed }, undefined, listener);
  await assert.rejects(withoutKey.find("fn"), /BELLHOP_SECRETS_KEY/);
  const otherKey = createFunctionEnvs({ one: async () => sealed }, createSealer([randomBytes(32)]), listener);
  await assert.rejects(otherKey.find("fn"), /The secret A was sealed with a key that is not known/);
  const gone = createFunctionEnvs({ one: async () => undefined }, sealer, listener);
  await assert.rejects(gone.find("fn"), /not there/);
  const plain = createFunctionEnvs({ one: async () => ({ ...sealed, secrets: [] }) }, undefined, listener);
  assert.deepEqual((await plain.find("fn")).env, sealed.env);
});

test("what a secret was before is searched for as well: a module may still hold it", async () => {
  let secrets = [seal("fn", "TOKEN", "the old value")];
  let forget = (_bell: { ids: string[]; resync: boolean }) => {};
  const bells = {
    on: async (_channel: string, hear: typeof forget) => {
      forget = hear;
    },
  } as Parameters<typeof createFunctionEnvs>[2];
  const envs = createFunctionEnvs({ one: async () => ({ ...sealed, secrets }) }, sealer, bells);
  await envs.find("fn");
  for (const now of [[seal("fn", "TOKEN", "another value")], []]) {
    secrets = now;
    forget({ ids: ["fn"], resync: false });
    const { env, redactor } = await envs.find("fn");
    assert.notEqual(env["TOKEN"], "the old value");
    assert.equal(redactor.text("the old value"), "[redacted TOKEN]");
  }
});

test("of what secrets were before a bounded number is kept, the newest", () => {
  const former = createFormerSecrets();
  for (let n = 0; n < 300; n++) former.with("fn", [["TOKEN", `value ${n}`]]);
  const known = former.with("fn", [["TOKEN", "now"]]).map(([, value]) => value);
  assert.equal(known.length, 200);
  assert.deepEqual([known.at(-1), known[0]], ["now", "value 101"]);
});
