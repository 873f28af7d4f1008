import assert from "node:assert/strict";
import { test } from "node:test";
import { createRecording } from "../test/support/recording.ts";
import { createForgottenRuns, type ForgottenRun } from "./forgotten-runs.ts";

function openForgotten() {
  const known = new Set<string>();
  const givenBack = createRecording<ForgottenRun[]>("giving back");
  const errors: unknown[] = [];
  let claims = Promise.resolve();
  let fault: Error | undefined;
  const forgotten = createForgottenRuns({
    isKnown: ({ id }) => known.has(id),
    whenClaimed: () => claims,
    async giveBack(runs) {
      if (fault) throw fault;
      if (runs.length > 0) givenBack.add(runs);
    },
    onError: (error) => void errors.push(error),
  });
  return {
    ...{ known, forgotten, errors, givenBack: givenBack.items },
    failWith(error?: Error) {
      fault = error;
    },
    /** A claim is under way until what this answers is called. */
    claim(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      claims = promise;
      return resolve;
    },
  };
}

const a = { id: "a", claimNo: 1 };
const b = { id: "b", claimNo: 4 };

test("what nobody here knows is given back, and nothing else", async () => {
  const { forgotten, known, givenBack } = openForgotten();
  known.add("a");
  forgotten.suspect([a, b]);
  await forgotten.flush();
  assert.deepEqual(givenBack, [[b]]);
});

test("a claim that is under way has its say first: what it begins is not given back", async () => {
  const { forgotten, known, givenBack, claim } = openForgotten();
  const answer = claim();
  forgotten.suspect([a, b]);
  known.add("a");
  answer();
  await forgotten.flush();
  assert.deepEqual(givenBack, [[b]]);
});

test("one look at a time; a claim that does not end holds up nobody who asks", async () => {
  const { forgotten, givenBack, claim } = openForgotten();
  const answer = claim();
  forgotten.suspect([a]);
  forgotten.suspect([a, b]);
  answer();
  await forgotten.flush();
  assert.deepEqual(givenBack, [[a]]);
});

test("a failure is reported, and the next heartbeat tries again", async () => {
  const { forgotten, givenBack, errors, failWith } = openForgotten();
  failWith(new Error("away"));
  forgotten.suspect([a]);
  await forgotten.flush();
  assert.equal(errors.length, 1);
  failWith();
  forgotten.suspect([a]);
  await forgotten.flush();
  assert.deepEqual(givenBack, [[a]]);
});
