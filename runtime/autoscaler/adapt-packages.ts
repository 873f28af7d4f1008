/**
 * Packages that read the time while they are loaded, which a snapshot does for all workers: they read it when they need it.
 * And zod, which brings its messages in fifty languages.
 */
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

interface Adaptation {
  filter: RegExp;
  /** What stands in the source, and what to put in its place. */
  changes: [string, string][];
}

const START_SECONDS = "Math.round(Date.now() / 1000 - process.uptime())";
const WALL_TIME = "BigInt(Date.now()) * NS_PER_MS";
const MONOTONIC_TIME = "process.hrtime.bigint()";

const ADAPTATIONS: Adaptation[] = [
  {
    filter: /prom-client\/lib\/metrics\/processStartTime\.js$/,
    changes: [
      [`const startInSeconds = ${START_SECONDS}`, "let startInSeconds"],
      ["set(labels, startInSeconds)", `set(labels, (startInSeconds ??= ${START_SECONDS}))`],
    ],
  },
  {
    filter: /pino\/lib\/time\.js$/,
    changes: [
      [`const startWallTimeNs = ${WALL_TIME}`, "let startWallTimeNs"],
      [`const startHrTime = ${MONOTONIC_TIME}`, "let startHrTime"],
      [
        "const isoTimeNano = () => {",
        `const isoTimeNano = () => {
          startWallTimeNs ??= ${WALL_TIME}
          startHrTime ??= ${MONOTONIC_TIME}`,
      ],
    ],
  },
];

/** The one that zod speaks unless it is told otherwise. */
const ENGLISH = 'export { default as en } from "./en.js";';

export const adaptPackages: Plugin = {
  name: "adapt-packages",
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: ENGLISH, loader: "js" }));
    for (const { filter, changes } of ADAPTATIONS)
      onLoad({ filter }, async ({ path }) => {
        let contents = await readFile(path, "utf8");
        for (const [from, to] of changes) {
          if (!contents.includes(from)) throw new Error(`${path} is not what was expected`);
          contents = contents.replace(from, to);
        }
        return { contents, loader: "js" };
      });
  },
};
