import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CRYPTO_LIMITS, GuestCrypto } from "./guest-crypto.ts";

interface Answer {
  ok?: unknown;
  error?: { name: string; message: string; isDom: boolean };
}

async function ask(
  crypto: GuestCrypto,
  op: string,
  args: unknown[],
  bytes?: Uint8Array,
  released: number[] = [],
) {
  const answer = await crypto.answer(JSON.stringify({ op, args, released }), bytes);
  return { ...(JSON.parse(answer.text) as Answer), bytes: answer.bytes };
}

const HMAC = { name: "HMAC", hash: { name: "SHA-256" } };
const key = { $key: 1 };

describe("the executor's side of Web Crypto", () => {
  test("answers with bytes beside the text", async () => {
    const { ok, bytes } = await ask(
      new GuestCrypto(),
      "digest",
      [{ name: "SHA-1" }, { $bytes: 3 }],
      Buffer.from("abc"),
    );
    assert.deepEqual(ok, { $bytes: 20 });
    assert.equal(Buffer.from(bytes!).toString("hex"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  });

  test("keeps keys by number until they are released", async () => {
    const crypto = new GuestCrypto();
    const made = (await ask(crypto, "generateKey", [HMAC, false, ["sign"]])).ok as {
      $key: number;
      type: string;
    };
    assert.deepEqual([made.$key, made.type], [1, "secret"]);
    assert.deepEqual((await ask(crypto, "sign", [HMAC, key, { $bytes: 1 }], Buffer.from("a"))).ok, {
      $bytes: 32,
    });
    const { error } = await ask(crypto, "sign", [HMAC, key, { $bytes: 1 }], Buffer.from("a"), [1]);
    assert.equal(error?.name, "OperationError");
  });

  test("lets go of the key that was used longest ago", async () => {
    const crypto = new GuestCrypto();
    const make = () =>
      ask(crypto, "importKey", ["raw", { $bytes: 1 }, HMAC, true, ["sign"]], Buffer.from("k"));
    for (let i = 0; i < CRYPTO_LIMITS.keys; i++) await make();
    const exported = (number: number) => ask(crypto, "exportKey", ["raw", { $key: number }]);
    assert.deepEqual((await exported(1)).ok, { $bytes: 1 });
    await make();
    assert.deepEqual((await exported(1)).ok, { $bytes: 1 });
    assert.match((await exported(2)).error!.message, /^The key is gone/);
  });

  test("knows no key of another isolate", async () => {
    await ask(new GuestCrypto(), "generateKey", [HMAC, false, ["sign"]]);
    const { error } = await ask(new GuestCrypto(), "exportKey", ["raw", key]);
    assert.match(error!.message, /^The key is gone/);
  });

  test("does only what it names", async () => {
    for (const op of ["constructor", "__proto__", "toString", "supports", ""]) {
      assert.equal((await ask(new GuestCrypto(), op, [])).error?.name, "OperationError");
    }
  });

  test("answers nonsense with an error", async () => {
    const crypto = new GuestCrypto();
    for (const text of [
      "",
      "null",
      "[]",
      "{}",
      '{"op":"digest","args":1}',
      '{"op":"digest","args":[null,{"$bytes":-5}]}',
    ]) {
      const answer = JSON.parse((await crypto.answer(text, undefined)).text) as Answer;
      assert.equal(typeof answer.error?.name, "string");
    }
  });

  test("bounds what one operation costs", async () => {
    const crypto = new GuestCrypto();
    const rsa = {
      name: "RSA-PSS",
      modulusLength: 8_192,
      publicExponent: { $bytes: 3 },
      hash: { name: "SHA-256" },
    };
    const exponent = new Uint8Array([1, 0, 1]);
    assert.match(
      (await ask(crypto, "generateKey", [rsa, false, ["sign"]], exponent)).error!.message,
      /4096 bits/,
    );
    await ask(
      crypto,
      "importKey",
      ["raw", { $bytes: 1 }, { name: "PBKDF2" }, false, ["deriveBits"]],
      Buffer.from("p"),
    );
    const derive = (iterations: number, bits: number) => {
      const algorithm = { name: "PBKDF2", hash: { name: "SHA-256" }, salt: { $bytes: 1 }, iterations };
      return ask(crypto, "deriveBits", [algorithm, key, bits], Buffer.from("s"));
    };
    assert.equal((await derive(1_000, 256)).error, undefined);
    assert.match((await derive(CRYPTO_LIMITS.pbkdf2Blocks + 1, 256)).error!.message, /iterations/);
    assert.match((await derive(CRYPTO_LIMITS.pbkdf2Blocks / 2, 1_024)).error!.message, /iterations/);
    assert.match((await derive(1, CRYPTO_LIMITS.derivedBits + 8)).error!.message, /bits/);
  });

  test("does only so many operations at once", async () => {
    const crypto = new GuestCrypto();
    const all = Array.from({ length: CRYPTO_LIMITS.operations + 5 }, () =>
      ask(crypto, "digest", [{ name: "SHA-1" }, { $bytes: 1 }], Buffer.from("a")),
    );
    const answers = await Promise.all(all);
    assert.equal(answers.filter(({ error }) => error !== undefined).length, 5);
  });

  test("tells errors of the platform from type errors", async () => {
    const crypto = new GuestCrypto();
    assert.equal((await ask(crypto, "digest", [{ name: "MD5" }, { $bytes: 0 }])).error?.isDom, true);
    assert.equal((await ask(crypto, "digest", [{ name: "SHA-1" }, "text"])).error?.isDom, false);
  });
});
