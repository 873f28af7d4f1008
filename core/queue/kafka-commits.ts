/** Commits of a group's member, one at a time: partitions that are dealt with while one is under way share the next. */
import type { Consumer } from "kafkajs";

/**
 * The next offset of a partition. Resolves once it is committed; rejects as the commit that it is in. Once its
 * member leaves, kafkajs sends no more: bells whose commits wait come again, to another member.
 */
export type CommitOffset = (partition: number, offset: string) => Promise<void>;

export function createCommits(consumer: Pick<Consumer, "commitOffsets">, topic: string): CommitOffset {
  let next: { offsets: Map<number, string>; done: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();

  async function send(before: Promise<void>, offsets: Map<number, string>): Promise<void> {
    // Those whose offsets were in it are told.
    await before.catch(() => undefined);
    next = undefined;
    await consumer.commitOffsets(
      Array.from(offsets, ([partition, offset]) => ({ topic, partition, offset })),
    );
  }

  return (partition, offset) => {
    if (!next) {
      const offsets = new Map<number, string>();
      last = send(last, offsets);
      next = { offsets, done: last };
    }
    next.offsets.set(partition, offset);
    return next.done;
  };
}
