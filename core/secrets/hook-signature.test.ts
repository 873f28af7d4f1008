/** Signatures that the senders' own libraries make are taken, and what differs in anything is not. */
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { test } from "node:test";
import { sign as signAsGithub } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { HOOK_SCHEMES, type HookScheme } from "../domain/hook.ts";
import { identifyDelivery, isSignedBy, isTimely, readSignature, toSigningKey } from "./hook-signature.ts";

const NOW = new Date("2026-11-24T09:00:00Z");
const SECONDS = NOW.getTime() / 1_000;
const BODY = '{"id":"evt_1","note":"caffè"}';
const newSecret = () => `whsec_${randomBytes(24).toString("base64")}`;

type Headers = Record<string, string>;

/** As a sender's own library signs. */
const SIGN: Record<HookScheme, (secret: string, body: string) => Promise<Headers> | Headers> = {
  github: async (secret, body) => ({
    "x-hub-signature-256": await signAsGithub(secret, body),
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  }),
  stripe: (secret, payload) => ({
    "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: SECONDS }),
  }),
  "standard-webhooks": (secret, body) => ({
    "webhook-id": "msg_1",
    "webhook-timestamp": `${SECONDS}`,
    "webhook-signature": new Webhook(secret).sign("msg_1", NOW, body),
  }),
};

const read = (scheme: HookScheme, headers: Headers) => readSignature(scheme, (name) => headers[name]);
const verify = (scheme: HookScheme, secrets: string[], headers: Headers, body: string | Buffer = BODY) => {
  const claim = read(scheme, headers);
  const keys = secrets.flatMap((secret) => toSigningKey(scheme, secret) ?? []);
  return claim !== undefined && isSignedBy(keys, claim, Buffer.from(body));
};

for (const scheme of HOOK_SCHEMES) {
  test(`${scheme}: what its own library signs is taken, by any of the secrets`, async () => {
    const [secret, other] = [newSecret(), newSecret()];
    const headers = await SIGN[scheme](secret, BODY);
    assert.ok(verify(scheme, [secret], headers));
    assert.ok(verify(scheme, [other, secret], headers));
    assert.ok(!verify(scheme, [other], headers));
    assert.ok(!verify(scheme, [], headers));
  });

  test(`${scheme}: another body is not taken, by a byte or a space`, async () => {
    const secret = newSecret();
    const headers = await SIGN[scheme](secret, BODY);
    for (const body of [`${BODY} `, BODY.slice(1), "", BODY.replace("1", "2"), Buffer.from(BODY, "latin1")])
      assert.ok(!verify(scheme, [secret], headers, body));
  });

  test(`${scheme}: a header that is missing, cut or changed is not taken`, async () => {
    const secret = newSecret();
    const headers = await SIGN[scheme](secret, BODY);
    for (const [name, value] of Object.entries(headers)) {
      if (name === "x-github-delivery") continue;
      const { [name]: _, ...others } = headers;
      assert.ok(!verify(scheme, [secret], others), `without ${name}`);
      for (const changed of [
        "",
        " ",
        value.slice(0, -2),
        value.slice(1),
        value.replace(/\d/, "x"),
        `${value}0`,
      ])
        assert.ok(!verify(scheme, [secret], { ...headers, [name]: changed }), `${name}: ${changed}`);
    }
  });

  test(`${scheme}: a line break at the end of a secret is no part of it`, async () => {
    const secret = newSecret();
    const headers = await SIGN[scheme](secret, BODY);
    for (const kept of [`${secret}\n`, `${secret}\r\n`]) assert.ok(verify(scheme, [kept], headers));
    for (const kept of [`${secret}\n\n`, `\n${secret}`, `${secret} `])
      assert.ok(!verify(scheme, [kept], headers));
  });

  test(`${scheme}: an empty secret verifies nothing`, () => {
    const sign = (prefix: string) =>
      createHmac("sha256", "")
        .update(prefix + BODY)
        .digest();
    const forged = {
      "x-hub-signature-256": `sha256=${sign("").toString("hex")}`,
      "stripe-signature": `t=${SECONDS},v1=${sign(`${SECONDS}.`).toString("hex")}`,
      ...{ "webhook-id": "msg_1", "webhook-timestamp": `${SECONDS}` },
      "webhook-signature": `v1,${sign(`msg_1.${SECONDS}.`).toString("base64")}`,
    };
    assert.ok(read(scheme, forged));
    for (const secret of ["", "\n"]) assert.ok(!verify(scheme, [secret], forged));
    if (scheme === "standard-webhooks")
      for (const secret of ["whsec_", "whsec_***", "="]) assert.ok(!verify(scheme, [secret], forged));
  });
}

test("one of several signatures will do, as while a sender changes its secret", async () => {
  const [old, current] = [newSecret(), newSecret()];
  const stripe = [old, current].map((secret) => (SIGN.stripe(secret, BODY) as Headers)["stripe-signature"]!);
  const both = { "stripe-signature": `${stripe[0]},${stripe[1]!.split(",")[1]},v0=abc` };
  const standard = [old, current].map((secret) => SIGN["standard-webhooks"](secret, BODY) as Headers);
  const signatures = standard.map((headers) => headers["webhook-signature"]).join(" ");
  for (const secret of [old, current]) {
    assert.ok(verify("stripe", [secret], both));
    assert.ok(
      verify("standard-webhooks", [secret], { ...standard[0], "webhook-signature": `v1a,xyz ${signatures}` }),
    );
  }
});

test("more signatures than anybody has are not looked at", () => {
  const secret = newSecret();
  const header = (SIGN.stripe(secret, BODY) as Headers)["stripe-signature"]!;
  const more = `,v1=${"0".repeat(64)}`.repeat(16);
  assert.equal(read("stripe", { "stripe-signature": header + more }), undefined);
});

test("an instant is timely within the tolerance, both ways, to the second", async () => {
  for (const scheme of ["stripe", "standard-webhooks"] as const) {
    const claim = read(scheme, await SIGN[scheme](newSecret(), BODY))!;
    const at = (seconds: number) => isTimely(claim, 300_000, (SECONDS + seconds) * 1_000);
    assert.deepEqual([-301, -300, 0, 300, 301].map(at), [false, true, true, true, false], scheme);
  }
  const undated = read("github", await SIGN.github(newSecret(), BODY))!;
  assert.ok(isTimely(undated, 300_000, 0));
});

test("an instant that is given twice, or is no number, is refused", () => {
  const header = (SIGN.stripe(newSecret(), BODY) as Headers)["stripe-signature"]!;
  for (const given of [`t=1,${header}`, header.replace(/^t=\d+/, "t=-1"), header.replace(/^t=\d+/, "t=1e9")])
    assert.equal(read("stripe", { "stripe-signature": given }), undefined);
});

test("standard-webhooks: an id with a full stop, which could be read as a shorter one, is refused", () => {
  const secret = newSecret();
  const signed = (id: string) => ({
    ...{ "webhook-id": id, "webhook-timestamp": `${SECONDS}` },
    "webhook-signature": new Webhook(secret).sign(id, NOW, BODY),
  });
  assert.ok(verify("standard-webhooks", [secret], signed("msg_1")));
  for (const id of [".", "msg.1", `msg_1.${SECONDS}`])
    assert.equal(read("standard-webhooks", signed(id)), undefined);
});

test("a delivery is told by the scheme's id, Stripe's by its event, else by what was signed", async () => {
  const idOf = async (scheme: HookScheme, body = BODY) =>
    identifyDelivery(read(scheme, await SIGN[scheme](newSecret(), body))!, Buffer.from(body));
  assert.equal(await idOf("github"), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
  assert.equal(await idOf("standard-webhooks"), "msg_1");
  assert.equal(await idOf("stripe"), "evt_1");
  for (const body of [
    "",
    "null",
    "[]",
    "x",
    '{"id":7}',
    '{"id":"evt_a b"}',
    '{"id":"evt_"}',
    '{"id":"cus_1"}',
  ]) {
    assert.match((await idOf("stripe", body))!, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await idOf("stripe", body), await idOf("stripe", body));
  }
  const undated = read("github", { "x-hub-signature-256": `sha256=${"0".repeat(64)}` })!;
  assert.equal(identifyDelivery(undated, Buffer.from(BODY)), undefined);
});
