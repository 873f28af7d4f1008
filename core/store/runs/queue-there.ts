import { DEFAULT_QUEUE } from "../../domain/limit-keys.ts";

/** Whether the queue of a task or run by this name, which may be over, has not been deleted since. */
export const IS_QUEUE_THERE = (
  row: string,
) => `(coalesce(${row}.queue, '${DEFAULT_QUEUE}') = '${DEFAULT_QUEUE}'
    OR EXISTS (SELECT FROM queues q WHERE q.namespace_id = ${row}.namespace_id AND q.name = ${row}.queue))`;
