/** The jobs that remove expired data. */
import { removeOldActivity } from "../core/store/activity/fold-activity.ts";
import { removeExpiredAudit } from "../core/store/audit-log.ts";
import { removeExpiredBulks } from "../core/store/bulk/bulk-actions.ts";
import { deleteLate } from "../core/store/bulk/delete-namespace.ts";
import { removeExpiredEmails } from "../core/store/captured-emails.ts";
import { removeExpiredInvalidTasks } from "../core/store/enqueue/enqueued-tasks.ts";
import { removeExpiredGroups } from "../core/store/errors/groups.ts";
import { removeExpiredEvents } from "../core/store/events/record.ts";
import { removeExpiredExpectations } from "../core/store/expectations/expire.ts";
import { removeExpiredKeys } from "../core/store/idempotency.ts";
import { removeEndedKeys } from "../core/store/manage-keys.ts";
import { removeExpiredFences } from "../core/store/runs/direct.ts";
import { removeFiredDebounces } from "../core/store/tasks/debounce.ts";
import { removeExpiredTasks } from "../core/store/tasks/expire.ts";
import { removeUnseenSubjects } from "../core/store/token-subjects.ts";
import { inTransaction } from "../core/store/transaction.ts";
import type { JobContext } from "./job.ts";

const DAY_MS = 86_400_000;
const KEY_BATCH = 10_000;
const FENCE_BATCH = 10_000;
const EMAIL_BATCH = 100;
const TASK_BATCH = 1_000;
const BULK_BATCH = 1_000;
const EVENT_BATCH = 10_000;
const AUDIT_BATCH = 10_000;

const daysAgo = ({ clock }: JobContext, days: number) => new Date(clock.now().getTime() - days * DAY_MS);

const retentionStart = (context: JobContext) => daysAgo(context, context.retentionDays);

export async function removeIdempotencyKeys({ store }: JobContext): Promise<void> {
  while ((await removeExpiredKeys(store.db, KEY_BATCH)) === KEY_BATCH);
}

/** Of tasks that have fired: the next one of the key is another anyway. */
export async function removeDebounces({ store }: JobContext): Promise<void> {
  await removeFiredDebounces(store, KEY_BATCH);
}

/** As long as finished runs. */
export async function removeEmails(context: JobContext): Promise<void> {
  const { store } = context;
  const before = retentionStart(context);
  while ((await removeExpiredEmails(store, before, EMAIL_BATCH)) === EMAIL_BATCH);
}

/** What was written of namespaces by calls that were under way when they were deleted. */
export async function deleteLateData({ store }: JobContext): Promise<void> {
  while (await inTransaction(store.pool, (tx) => deleteLate(tx, () => false)));
}

/** As long as the runs that they made or ended. */
export async function removeBulks(context: JobContext): Promise<void> {
  const { store } = context;
  const before = retentionStart(context);
  while ((await removeExpiredBulks(store, before, BULK_BATCH)) === BULK_BATCH);
}

/** As long as runs. */
export async function removeInvalidTasks(context: JobContext): Promise<void> {
  const { store } = context;
  const before = retentionStart(context);
  while ((await removeExpiredInvalidTasks(store, before, TASK_BATCH)) === TASK_BATCH);
}

/** As long as the runs they are of; an error as long after it was seen last. */
export async function removeEvents(context: JobContext): Promise<void> {
  const { store } = context;
  const before = retentionStart(context);
  while ((await removeExpiredEvents(store, before, EVENT_BATCH)) === EVENT_BATCH);
  while ((await removeExpiredGroups(store, before, EVENT_BATCH)) === EVENT_BATCH);
  while ((await removeExpiredExpectations(store, before, EVENT_BATCH)) === EVENT_BATCH);
}

/** Charts are of a day at most. */
export async function removeActivity({ store, clock }: JobContext): Promise<void> {
  await removeOldActivity(store, clock.now());
}

/** Of keys that were revoked, or have expired, and of tokens that did not come again: as long as runs. */
export async function removeKeys(context: JobContext): Promise<void> {
  const { store } = context;
  const before = retentionStart(context);
  while ((await removeEndedKeys(store, before, KEY_BATCH)) === KEY_BATCH);
  while ((await removeUnseenSubjects(store, before, KEY_BATCH)) === KEY_BATCH);
}

/** Longer than what it tells of: who changed something is asked later. */
export async function removeAudit(context: JobContext): Promise<void> {
  const { store, auditRetentionDays } = context;
  const before = daysAgo(context, auditRetentionDays);
  const remove = () => inTransaction(store.pool, (tx) => removeExpiredAudit(tx, before, AUDIT_BATCH));
  while ((await remove()) === AUDIT_BATCH);
}

/** As long as their runs. */
export async function removeFinishedTasks(context: JobContext): Promise<void> {
  const { store, log } = context;
  const before = retentionStart(context);
  let removed = 0;
  let lastId: string | undefined;
  do {
    const batch = await removeExpiredTasks(store, before, TASK_BATCH, lastId);
    removed += batch.removed;
    lastId = batch.lastId;
  } while (lastId !== undefined);
  if (removed > 0) log.info({ tasks: removed }, "removed finished tasks past the retention");
}

export async function removeFences({ store }: JobContext): Promise<void> {
  while ((await removeExpiredFences(store, FENCE_BATCH)) === FENCE_BATCH);
}
