/** The end of an erasure in the audit log: who asked for it, and its receipt. */

import type { JsonObject } from "../../json.ts";
import { recordAudit } from "../audit-log.ts";
import { newId } from "../ids.ts";
import { SETTING_KEY_NAME } from "../keys.ts";
import type { Transaction } from "../transaction.ts";

/** As entries name it: no operation of the API, for the scheduler does it. */
export const END_ERASURE = "endErasure";

interface EndedErasure {
  namespaceId: string;
  keyId: string;
  /** Null: it was removed since. */
  keyName: string | null;
  /** Of who came with a token instead of a key. */
  subject: string | null;
  state: string;
  receipt: JsonObject;
  createdAt: Date;
  finishedAt: Date;
}

const FIND = `SELECT b.namespace_id AS "namespaceId", b.created_by AS "keyId", k.name AS "keyName", s.subject, b.state, b.receipt,
    b.created_at AS "createdAt", b.finished_at AS "finishedAt"
  FROM bulk_actions b LEFT JOIN api_keys k ON k.id = b.created_by LEFT JOIN token_subjects s ON s.id = b.created_by
  WHERE b.id = $1`;

/** In the transaction that ends it. */
export async function recordErasureEnd(tx: Transaction, id: string): Promise<void> {
  const { rows } = await tx.pool.query<EndedErasure>(FIND, [id]);
  const { namespaceId, keyId, keyName, subject, state, receipt, createdAt, finishedAt } = rows[0]!;
  const actorKind = subject !== null ? "token" : keyName === SETTING_KEY_NAME ? "setting" : "key";
  await recordAudit(tx, {
    ...{ id: newId(), namespaceId, isOfInstallation: false, action: END_ERASURE, resource: `bulk/${id}` },
    ...{ status: 200, actorKind, actorKeyId: keyId, actorName: subject ?? keyName ?? "", address: null },
    before: null,
    after: { state, receipt, createdAt: createdAt.toISOString(), finishedAt: finishedAt.toISOString() },
  });
}
