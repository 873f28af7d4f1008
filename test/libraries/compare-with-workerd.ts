/**
 * The libraries and apps of the tests in workerd, beside what they answer in the sandbox: `npm run compare-with-workerd`.
 * It prints what is not the same, and fails where that is not among the differences that the guide names.
 */
import { isDeepStrictEqual } from "node:util";
import { installPeers } from "../../bench/peers/install.ts";
import { APPS, LIBRARIES, type LibraryCase } from "./cases.ts";
import { runInWorkerd, type Told } from "./in-workerd.ts";

/** By the case's name: why workerd answers otherwise. docs/functions.md says the same. */
const MADE_AT_RUN_TIME = "Code made at run time runs here and is refused there.";
const NAMED_DIFFERENCES: Record<string, string> = {
  ajv: MADE_AT_RUN_TIME,
  "handlebars, which compiles at run time": MADE_AT_RUN_TIME,
  "Hono, with env(c), getRuntimeKey() and context storage": "Hono takes this runtime for Node.",
  "Hono on Deno.serve": "Deno.serve is an entry here alone.",
};

installPeers();
const counts = { same: 0, named: 0, unnamed: 0 };
const cases = [
  ...LIBRARIES.map((each) => ({ each, isApp: false })),
  ...APPS.map((each) => ({ each, isApp: true })),
];
for (const { each, isApp } of cases) {
  const told = await runInWorkerd(each, isApp);
  const isSame = "answer" in told && isDeepStrictEqual(told.answer, each.answer);
  const why = NAMED_DIFFERENCES[each.name];
  counts[isSame ? "same" : why === undefined ? "unnamed" : "named"] += 1;
  if (!isSame) process.stdout.write(describeDifference(each, told, why));
}
process.stdout.write(
  `${cases.length} cases: ${counts.same} the same in workerd, ${counts.named} different as named, ${counts.unnamed} different.\n`,
);
process.exitCode = counts.unnamed === 0 ? 0 : 1;

function describeDifference({ name, answer }: LibraryCase, told: Told, why: string | undefined): string {
  const other = "answer" in told ? JSON.stringify(told.answer) : `fails: ${told.failure}`;
  return `${name}\n  here:    ${JSON.stringify(answer)}\n  workerd: ${other}\n${why === undefined ? "" : `  ${why}\n`}`;
}
