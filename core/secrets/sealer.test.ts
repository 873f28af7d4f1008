import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createSealer, parseSecretKeys } from "./sealer.ts";

const place = { namespaceId: "ns", functionId: "fn", name: "TOKEN" };
const [first, second] = [randomBytes(32), randomBytes(32)];

test("what is sealed opens where it belongs, and nowhere else", () => {
  const sealer = createSealer([first]);
  const sealed = sealer.seal(place, "pässword");
  assert.equal(sealer.open(place, sealed), "pässword");
  assert.ok(!sealed.includes("ssword"));
  assert.notDeepEqual(sealer.seal(place, "pässword"), sealed, "a nonce of its own each time");
  for (const other of [{ namespaceId: "x" }, { functionId: null }, { functionId: "x" }, { name: "X" }])
    assert.throws(() => sealer.open({ ...place, ...other }, sealed), /belongs elsewhere/);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    assert.throws(() => sealer.open(place, changed), /TOKEN/);
  }
});

test("the first key seals, older ones still open", () => {
  const old = createSealer([first]).seal(place, "value");
  const sealer = createSealer([second, first]);
  assert.equal(sealer.open(place, old), "value");
  const fresh = sealer.seal(place, "value");
  assert.throws(() => createSealer([first]).open(place, fresh), /not known/);
});

test("keys are read as base64 and hex, and a bad one is not quoted", () => {
  const texts = [first.toString("hex"), first.toString("base64"), first.toString("base64url")];
  for (const text of texts) assert.deepEqual(parseSecretKeys(text), [first]);
  assert.deepEqual(parseSecretKeys(`${texts[0]} , ${second.toString("hex")}`), [first, second]);
  for (const bad of ["", "short", `${texts[0]},`, "zz".repeat(32), "A".repeat(44)]) {
    assert.throws(
      () => parseSecretKeys(bad),
      ({ message }: Error) => /32 bytes/.test(message) && !(bad.length > 4 && message.includes(bad)),
    );
  }
});
