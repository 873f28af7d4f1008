/** The executor's program as V8 is given it, by whoever runs it: code compiled for one text fits no other. */
import { Script } from "node:vm";

export type Load = (name: string) => unknown;

/** As it is called inside an executor's own root: where it lies outside is nobody's business. */
const FILENAME = "/executor.cjs";

export function compileProgram(text: string, cachedData?: Buffer): Script {
  const options = { filename: FILENAME, ...(cachedData === undefined ? {} : { cachedData }) };
  return new Script(`(function (require) {${text}\n})`, options);
}

/** Leaves it what there is of arguments. */
export function runProgram(script: Script, load: Load): void {
  (script.runInThisContext() as (load: Load) => void)(load);
}
