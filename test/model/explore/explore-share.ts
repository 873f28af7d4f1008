/** A thread: is told of one share after another, and answers what it found. */
import { parentPort } from "node:worker_threads";
import { explore } from "./explore.ts";
import type { Share } from "./parallel.ts";

parentPort!.on("message", ({ bug, ...share }: Share) => {
  parentPort!.postMessage(explore({ ...share, hasBug: (name) => name === bug }));
});
