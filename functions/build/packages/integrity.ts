/** Hashes as lock files write them: `sha512-` and base64, several with spaces between. */
import { createHash } from "node:crypto";

/** Those that nobody can forge, the strongest first. */
const STRONG = ["sha512", "sha384", "sha256"] as const;

interface StrongHash {
  algorithm: (typeof STRONG)[number];
  digest: Buffer;
}

/** Those of the strongest kind that is there; the others do not count. */
export function strongHashes(integrity: string): StrongHash[] {
  const hashes = integrity.split(/\s+/).flatMap((word): StrongHash[] => {
    const [, name, base64 = ""] = /^(\w+)-([A-Za-z0-9+/]+={0,2})(?:\?.*)?$/.exec(word) ?? [];
    const algorithm = STRONG.find((known) => known === name);
    return algorithm ? [{ algorithm, digest: Buffer.from(base64, "base64") }] : [];
  });
  const strongest = STRONG.find((known) => hashes.some(({ algorithm }) => algorithm === known));
  return hashes.filter(({ algorithm }) => algorithm === strongest);
}

export function hasIntegrity(bytes: Uint8Array, integrity: string): boolean {
  return strongHashes(integrity).some(({ algorithm, digest }) =>
    createHash(algorithm).update(bytes).digest().equals(digest),
  );
}
