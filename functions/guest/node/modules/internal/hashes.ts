/** Hashes of node:crypto, which answer at once: computed in the isolate, where its limits count them. */
import { blake2b, blake2s } from "@noble/hashes/blake2.js";
import { md5, ripemd160, sha1 } from "@noble/hashes/legacy.js";
import { sha224, sha256, sha384, sha512, sha512_224, sha512_256 } from "@noble/hashes/sha2.js";
import { sha3_224, sha3_256, sha3_384, sha3_512 } from "@noble/hashes/sha3.js";
import type { CHash } from "@noble/hashes/utils.js";

const HASHES: Record<string, unknown> = {
  ...{ md5, sha1, sha224, sha256, sha384, sha512, ripemd160 },
  ...{ "sha512-224": sha512_224, "sha512-256": sha512_256 },
  ...{ "sha3-224": sha3_224, "sha3-256": sha3_256, "sha3-384": sha3_384, "sha3-512": sha3_512 },
  ...{ blake2b512: blake2b, blake2s256: blake2s },
};

/** By the names that OpenSSL has for it. */
function hashOf(name: string): CHash {
  const plain = name
    .toLowerCase()
    .replace(/^rsa-/, "")
    .replace(/^sha-(\d)/, "sha$1")
    .replace(/^sha512\/(\d)/, "sha512-$1")
    .replace(/^rmd160$|^ripemd$/, "ripemd160");
  if (Object.hasOwn(HASHES, plain)) return HASHES[plain] as CHash;
  throw Object.assign(new Error("Digest method not supported"), { code: "ERR_CRYPTO_INVALID_DIGEST" });
}

export default { hashOf, names: Object.keys(HASHES) };
