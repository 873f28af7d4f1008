/** Who came with tokens of an OpenID provider. Histories and the audit log know them by an id, as they know keys. */
import { v5 } from "uuid";
import type { QueryScope } from "./database.ts";

/** Of ids that are made of an issuer and a subject. It must never change. */
const ID_NAMESPACE = "0d2f3c1e-8f0b-4f6e-9d52-6c1b7a4e9a35";
/** That somebody was seen is recorded at most so often. */
const SEEN_RECORDED_EVERY = "1 hour";

export interface TokenSubject {
  issuer: string;
  subject: string;
}

/** The same at each API, without asking anybody. */
export const idOfSubject = ({ issuer, subject }: TokenSubject): string =>
  v5(`${issuer}\n${subject}`, ID_NAMESPACE);

export async function recordSubject({ pool }: QueryScope, seen: TokenSubject): Promise<void> {
  await pool.query({
    name: "record-token-subject",
    text: `INSERT INTO token_subjects AS s (id, issuer, subject) VALUES ($1, $2, $3)
      ON CONFLICT (id) DO UPDATE SET last_seen_at = now()
      WHERE s.last_seen_at < now() - interval '${SEEN_RECORDED_EVERY}'`,
    values: [idOfSubject(seen), seen.issuer, seen.subject],
  });
}

/** Removes up to `limit` of those who were not seen since that instant; how many. */
export async function removeUnseenSubjects(
  { pool }: QueryScope,
  since: Date,
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM token_subjects WHERE id = ANY(ARRAY(
       SELECT id FROM token_subjects WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT $2))`,
    [since, limit],
  );
  return rowCount ?? 0;
}
