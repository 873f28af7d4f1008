/** The mailbox: e-mails that were captured instead of sent, the newest of each namespace. */
import type { CapturedEmail, CapturedMessage } from "../contracts/captured-email.ts";
import type { QueryScope } from "./database.ts";
import { newId } from "./ids.ts";
import { toJsonText } from "./json-text.ts";

/** Of a namespace; what is more goes, the oldest first. */
export const MAX_EMAILS = 1_000;
export const MAX_EMAIL_BYTES = 50_000_000;

export interface KeptEmail {
  namespaceId: string;
  runId: string;
  message: CapturedMessage;
}

// What another one removes at the same time is left to it.
const KEEP = `
  WITH ranked AS (
    SELECT id, row_number() OVER newest AS place, sum(bytes) OVER newest AS total
    FROM captured_emails WHERE namespace_id = $2 WINDOW newest AS (ORDER BY id DESC)
  ), excess AS (
    SELECT id FROM captured_emails
    WHERE id IN (SELECT id FROM ranked WHERE place >= $6 OR total + $4 > $7)
    FOR UPDATE SKIP LOCKED
  ), removed AS (
    DELETE FROM captured_emails WHERE id IN (SELECT id FROM excess)
  )
  INSERT INTO captured_emails (id, namespace_id, run_id, bytes, message) SELECT $1::uuid, $2::uuid, $3::uuid, $4::int, $5::jsonb
  WHERE EXISTS (SELECT FROM task_runs_open o WHERE o.id = $3)`;

/** Its id. One of a run that has ended, whose worker is late, is not kept. What is too old or too much of the namespace's goes in the same statement. */
export async function keepEmail(
  scope: QueryScope,
  { namespaceId, runId, message }: KeptEmail,
  { maxEmails = MAX_EMAILS, maxBytes = MAX_EMAIL_BYTES } = {},
): Promise<string> {
  const id = newId();
  const text = toJsonText(message);
  await scope.pool.query(KEEP, [
    ...[id, namespaceId, runId, Buffer.byteLength(text), text],
    ...[maxEmails, maxBytes],
  ]);
  return id;
}

export interface EmailSize {
  id: string;
  bytes: number;
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listEmailSizes(
  scope: QueryScope,
  namespaceId: string,
  limit: number,
  beforeId: string | undefined,
): Promise<EmailSize[]> {
  const { rows } = await scope.pool.query<EmailSize>(
    `SELECT id, bytes FROM captured_emails
     WHERE namespace_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [namespaceId, beforeId ?? null, limit + 1],
  );
  return rows;
}

/** Those of them that are still there, newest first. */
export async function loadEmails(
  scope: QueryScope,
  namespaceId: string,
  ids: string[],
): Promise<CapturedEmail[]> {
  const { rows } = await scope.pool.query<CapturedEmail>(
    `SELECT id, run_id AS "runId", captured_at AS "capturedAt", message FROM captured_emails
     WHERE namespace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id DESC`,
    [namespaceId, ids],
  );
  return rows;
}

/** Removes up to `limit` of those captured before; how many. */
export async function removeExpiredEmails(scope: QueryScope, before: Date, limit: number): Promise<number> {
  const { rowCount } = await scope.pool.query(
    `DELETE FROM captured_emails WHERE id = ANY (ARRAY(
       SELECT id FROM captured_emails WHERE captured_at < $1 ORDER BY captured_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
    [before, limit],
  );
  return rowCount ?? 0;
}
