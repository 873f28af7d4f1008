/** The executor's program as V8 is given it, by whoever runs it: code compiled for one text fits no other. */
import { Script } from "node:vm";

export type Load = (name: string) => unknown;

/** As frames of stacks name it, so that they are told from an author's (author-frames.ts). */
const FILENAME = "bellhop:executor.cjs";

export function compileProgram(text: string, cachedData?: Buffer): Script {
  const options = { filename: FILENAME, ...(cachedData === undefined ? {} : { cachedData }) };
  return new Script(`(function (require) {${text}\n})`, options);
}

/** Leaves it what there is of arguments. */
export function runProgram(script: Script, load: Load): void {
  (script.runInThisContext() as (load: Load) => void)(load);
}
