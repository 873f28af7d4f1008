/**
 * The tokens by which an attempt is completed: which one it is, and a proof that Bellhop said so. Nothing of them is
 * stored. A token: `bhc_`, then as base64url the run's id (16 bytes), the claim's number (4), an HMAC-SHA256 of both (32).
 */
import { createHmac, timingSafeEqual } from "node:crypto";

const PREFIX = "bhc_";
const [ID_BYTES, FACTS_BYTES, MAC_BYTES] = [16, 20, 32];
const TOKEN = /^bhc_[A-Za-z0-9_-]{70}$/;

export interface TokenFacts {
  runId: string;
  claimNo: number;
}

export interface CompletionTokens {
  make(facts: TokenFacts): string;
  /** Undefined: it is none of ours. */
  read(token: string): TokenFacts | undefined;
}

/** @param keys those that seal secrets: the first makes tokens, all of them are known by */
export function createCompletionTokens(keys: readonly Buffer[]): CompletionTokens {
  const derived = keys.map((key) => createHmac("sha256", key).update("bellhop completion tokens\n").digest());
  const proofs = (facts: Buffer) => derived.map((key) => createHmac("sha256", key).update(facts).digest());
  if (derived.length === 0) throw new Error("there is no key");
  return {
    make({ runId, claimNo }) {
      const facts = Buffer.alloc(FACTS_BYTES);
      facts.write(runId.replaceAll("-", ""), "hex");
      facts.writeUInt32BE(claimNo, ID_BYTES);
      return PREFIX + Buffer.concat([facts, proofs(facts)[0]!]).toString("base64url");
    },
    read(token) {
      if (!TOKEN.test(token)) return undefined;
      const bytes = Buffer.from(token.slice(PREFIX.length), "base64url");
      const facts = bytes.subarray(0, FACTS_BYTES);
      const given = bytes.subarray(FACTS_BYTES);
      if (given.length !== MAC_BYTES || !proofs(facts).some((proof) => timingSafeEqual(proof, given)))
        return undefined;
      return { runId: toUuid(facts.toString("hex", 0, ID_BYTES)), claimNo: facts.readUInt32BE(ID_BYTES) };
    },
  };
}

const toUuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
