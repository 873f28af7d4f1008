import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS } from "../../../core/domain/function-limits.ts";
import type { Job } from "./job.ts";
import { JobQueue } from "./job-queue.ts";

const ONE = () => 1;
const isNot = (revisionId: string) => (job: Job) => job.invocation.revisionId !== revisionId;

function openQueue() {
  const names = new Map<Job, string>();
  const queue = new JobQueue();
  const make = (name: string) => {
    const invocation = { revisionId: name[0]!, reuse: true, limits: DEFAULT_FUNCTION_LIMITS };
    const job = { invocation, options: {}, cancel: undefined, finish() {} } as unknown as Job;
    names.set(job, name);
    return job;
  };
  const namesOf = (jobs: Job[]) => jobs.map((job) => names.get(job)!);
  return {
    queue,
    make,
    add: (...all: string[]) => all.forEach((name, at) => void queue.add(make(name), at)),
    giveBack: (name: string) => queue.giveBack(make(name), 0),
    take: (...given: Parameters<JobQueue["takeBatch"]>) => namesOf(queue.takeBatch(...given)),
    rest: () => namesOf(queue.clear()),
  };
}

test("how many wait of a function", () => {
  const { queue, add, giveBack, take, make } = openQueue();
  const like = (name: string) => queue.countLike(make(name));
  add("a1", "a2", "b1");
  giveBack("a0");
  assert.deepEqual([like("a"), like("b"), like("c")], [3, 1, 0]);
  take(ONE);
  take(() => 8);
  assert.deepEqual([like("a"), like("b")], [0, 1]);
  const job = make("b2");
  queue.add(job, 0);
  assert.equal(queue.delete(job), true);
  assert.equal(queue.delete(job), false);
  assert.equal(like("b"), 1);
  queue.clear();
  assert.equal(like("b"), 0);
});

describe("a batch", () => {
  test("is the first ones of a function, as many as fit", () => {
    const { add, take, rest } = openQueue();
    add("a1", "a2", "b1", "a3");
    assert.deepEqual(
      take(() => 8),
      ["a1", "a2"],
    );
    assert.deepEqual(
      take(() => 8),
      ["b1"],
    );
    assert.deepEqual(rest(), ["a3"]);
  });
  test("is of the next function where the first one waits for company", () => {
    const { add, take, rest } = openQueue();
    add("a1", "a2", "b1", "a3", "b2");
    assert.deepEqual(take(ONE, isNot("a")), ["b1"]);
    assert.deepEqual(take(ONE, isNot("a")), ["b2"]);
    assert.deepEqual(take(ONE, isNot("a")), []);
    assert.deepEqual(rest(), ["a1", "a2", "a3"]);
  });
  test("is what was given back, alone and before the others, where it may begin", () => {
    const { add, giveBack, take } = openQueue();
    add("a1", "b1");
    giveBack("a0");
    assert.deepEqual(take(ONE, isNot("a")), ["b1"]);
    assert.deepEqual(
      take(() => 8),
      ["a0"],
    );
    assert.deepEqual(
      take(() => 8),
      ["a1"],
    );
  });
  test("is none where a hundred wait for company before it", () => {
    const { add, take } = openQueue();
    add(...Array.from({ length: 100 }, () => "a"), "b1");
    assert.deepEqual(take(ONE, isNot("a")), []);
    assert.deepEqual(take(ONE), ["a"]);
    assert.deepEqual(take(ONE, isNot("a")), ["b1"]);
  });
});
