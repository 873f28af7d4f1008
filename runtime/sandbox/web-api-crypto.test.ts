/** Web Crypto inside the isolate. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { resultOf, startSandbox } from "./sandbox-fixture.ts";

const sandbox = startSandbox();
after(() => sandbox.pool.close());

function gives(name: string, body: string, expected: Json): void {
  test(name, async () => {
    const source = `
      const { subtle } = crypto; const utf8 = (text: string) => new TextEncoder().encode(text);
      const hex = (bytes: ArrayBuffer) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const name = (promise: Promise<unknown>) => promise.then(() => "none", (error) => error.name);
      export default async function (): Promise<any> { ${body} }`;
    assert.deepEqual(resultOf(await sandbox.call(source, { wallMs: 20_000 })), expected);
  });
}

describe("randomness", () => {
  gives(
    "differs from isolate to isolate and from call to call",
    `return new Set(Array.from({ length: 200 }, () => crypto.randomUUID())).size;`,
    200,
  );
  test("is not the snapshot's", async () => {
    const source =
      "export default () => [crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(8))].join()];";
    const [one, other] = [
      resultOf(await sandbox.call(source)),
      resultOf(await sandbox.call(source)),
    ] as string[][];
    assert.notEqual(one![0], other![0]);
    assert.notEqual(one![1], other![1]);
    assert.match(one![0]!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
  gives(
    "is bounded and typed",
    `const failure = (array: any) => { try { crypto.getRandomValues(array); return "none"; } catch (error: any) { return error.name; } };
     return [failure(new Uint8Array(65_537)), failure(new Float32Array(1)), failure([]), failure(new BigInt64Array(2))];`,
    ["QuotaExceededError", "TypeMismatchError", "TypeError", "none"],
  );
});

describe("subtle", () => {
  gives(
    "digests",
    `return hex(await subtle.digest("SHA-256", utf8("abc")));`,
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  gives(
    "signs and verifies with HMAC",
    `const key = await subtle.importKey("raw", utf8("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
     const signature = await subtle.sign("HMAC", key, utf8("The quick brown fox jumps over the lazy dog"));
     return [hex(signature), await subtle.verify("HMAC", key, signature, utf8("other")), await name(subtle.exportKey("raw", key))];`,
    ["f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8", false, "InvalidAccessError"],
  );
  gives(
    "encrypts and decrypts with AES-GCM, and says nothing of why it fails",
    `const key = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
     const iv = crypto.getRandomValues(new Uint8Array(12)); const secret = new Uint8Array(await subtle.encrypt({ name: "AES-GCM", iv }, key, utf8("hi")));
     const open = new TextDecoder().decode(await subtle.decrypt({ name: "AES-GCM", iv }, key, secret)); secret[0]! ^= 1;
     return [open, secret.length, await name(subtle.decrypt({ name: "AES-GCM", iv }, key, secret)), (await subtle.exportKey("jwk", key)).alg];`,
    ["hi", 18, "OperationError", "A256GCM"],
  );
  gives(
    "signs with ECDSA, RSA and Ed25519; a public key travels as JWK",
    `const trip = async (make: any, use: any) => {
       const { privateKey, publicKey } = await subtle.generateKey(make, true, ["sign", "verify"]) as CryptoKeyPair;
       const imported = await subtle.importKey("jwk", await subtle.exportKey("jwk", publicKey), make, true, ["verify"]);
       return subtle.verify(use, imported, await subtle.sign(use, privateKey, utf8("m")), utf8("m")); };
     return [await trip({ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }),
       await trip({ name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, "RSASSA-PKCS1-v1_5"),
       await trip("Ed25519", "Ed25519")];`,
    [true, true, true],
  );
  gives(
    "derives with ECDH, HKDF and PBKDF2",
    `const base = await subtle.importKey("raw", utf8("password"), "PBKDF2", false, ["deriveBits"]);
     const bits = await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: utf8("salt"), iterations: 2 }, base, 160);
     const pair = () => subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]) as Promise<CryptoKeyPair>;
     const [a, b] = [await pair(), await pair()]; const one = await subtle.deriveBits({ name: "X25519", public: a.publicKey }, b.privateKey, 256);
     const other = await subtle.deriveBits({ name: "X25519", public: b.publicKey }, a.privateKey, 256);
     const hkdf = await subtle.importKey("raw", one, "HKDF", false, ["deriveKey"]);
     const aes = await subtle.deriveKey({ name: "HKDF", hash: "SHA-256", salt: utf8(""), info: utf8("") }, hkdf, { name: "AES-GCM", length: 128 }, true, ["encrypt"]);
     return [hex(bits), hex(one) === hex(other), (aes.algorithm as any).length];`,
    ["ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957", true, 128],
  );
  gives(
    "wraps and unwraps keys",
    `const wrapping = await subtle.generateKey({ name: "AES-KW", length: 128 }, false, ["wrapKey", "unwrapKey"]);
     const key = await subtle.importKey("raw", new Uint8Array(16).fill(7), "AES-CBC", true, ["encrypt"]);
     const back = await subtle.unwrapKey("raw", await subtle.wrapKey("raw", key, wrapping, "AES-KW"), wrapping, "AES-KW", "AES-CBC", true, ["encrypt"]);
     return hex(await subtle.exportKey("raw", back));`,
    "07070707070707070707070707070707",
  );
  gives(
    "names its errors as the standard does",
    `const key = await subtle.generateKey({ name: "AES-CBC", length: 128 }, false, ["encrypt"]);
     return [await name(subtle.digest("MD5", utf8(""))), await name(subtle.importKey("raw", utf8("x"), "AES-GCM", true, ["encrypt"])), await name(subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["sign"])),
       await name(subtle.decrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, key, new Uint8Array(16))), await name(subtle.sign("HMAC", {} as any, utf8(""))), await name(subtle.importKey("odd" as any, utf8(""), "HKDF", false, []))];`,
    ["NotSupportedError", "DataError", "SyntaxError", "InvalidAccessError", "TypeError", "TypeError"],
  );
  gives(
    "refuses what would cost too much",
    `const base = await subtle.importKey("raw", utf8("p"), "PBKDF2", false, ["deriveBits"]);
     return [await name(subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512", salt: utf8("s"), iterations: 2_000_000_000 }, base, 512)),
       await name(subtle.generateKey({ name: "RSA-PSS", modulusLength: 16_384, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, false, ["sign"]))];`,
    ["OperationError", "OperationError"],
  );
  gives(
    "does a thousand operations at once, a few at a time",
    `return (await Promise.all(Array.from({ length: 1_000 }, () => subtle.digest("SHA-1", utf8("a"))))).length;`,
    1000,
  );
  test("keys live as long as their isolate", async () => {
    const source = `let key: CryptoKey; const utf8 = new TextEncoder();
      export default async () => {
        key ??= await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        return (await crypto.subtle.sign("HMAC", key, utf8.encode("a"))).byteLength; };`;
    const revisionId = "module-key";
    assert.equal(resultOf(await sandbox.call(source, { revisionId })), 32);
    assert.equal(resultOf(await sandbox.call(source, { revisionId })), 32);
  });
});
