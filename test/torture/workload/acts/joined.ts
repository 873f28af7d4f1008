/** Calls that become one run: the last one's, or one with the inputs of all. */
import type { Random } from "../../../support/random.ts";
import { type Act, type Known, pauseMs, post, QUICK_RETRY, targetOf } from "./act.ts";

const KEYS = ["document-1", "document-2", "document-3"];
const WAITS = ["100ms", "500ms", "2s"];
/** Two places alone: calls meet there, also where few come. One is full soon, the other waits out its time. */
const COLLECTED = [
  { size: 3, wait: "5s" },
  { size: 20, wait: "4s" },
];

const joinedCall = (random: Random, known: Known, query: string) => ({
  ...post(`/v1/functions/gather/invoke?maxAttempts=${QUICK_RETRY.maxAttempts}&${query}`, {
    // The key of the request is put beside it: by that the target tells which inputs it was given.
    url: targetOf(known, `200:${pauseMs(random)}`).replace("/run?", "/gathered?"),
  }),
  headers: { prefer: "respond-async" },
});

const asQuery = (name: string, value: object) => `${name}=${encodeURIComponent(JSON.stringify(value))}`;

export const JOINED_ACTS = {
  collected: {
    weight: 12,
    draw: (random, known) => joinedCall(random, known, asQuery("collect", random.pick(COLLECTED))),
  },
  debounced: {
    weight: 5,
    draw: (random, known) =>
      joinedCall(
        random,
        known,
        asQuery("debounce", { key: random.pick(KEYS), wait: random.pick(WAITS), max: "4s" }),
      ),
  },
} satisfies Record<string, Act>;
