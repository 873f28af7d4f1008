/**
 * Loads the worker's bundle with the compiled code that an earlier process has kept of it, or is that earlier process: what
 * V8 compiled while a worker started is code that the next one needs not compile. It is code alone, of the sources: nothing
 * that a process read, drew or was given is in it. Arguments: the bundle, the file of the code, and the bundle's own.
 */
import { existsSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { startupSnapshot } from "node:v8";
import { Script } from "node:vm";

/** Of a snapshot's `require`, too. */
declare const require: (name: string) => unknown;
type CommonJs = (exports: object, load: typeof require, module: object, file: string, folder: string) => void;

const STDERR = 2;
const [main = "", code = ""] = process.argv.slice(2);

function compile(cachedData: Buffer | undefined): Script {
  const text = `(function (exports, require, module, __filename, __dirname) {${readFileSync(main, "latin1")}\n})`;
  return new Script(text, { filename: main, ...(cachedData ? { cachedData } : {}) });
}

function run(script: Script): void {
  const module = { exports: {} };
  (script.runInThisContext() as CommonJs)(module.exports, require, module, main, dirname(main));
}

function keepCode(script: Script): void {
  try {
    writeFileSync(code, script.createCachedData());
  } catch (error) {
    // Thrown, it would keep others from clearing away what they have.
    writeSync(STDERR, `${error}\n`);
    process.exitCode = 1;
  }
}

if (startupSnapshot.isBuildingSnapshot()) {
  const script = compile(existsSync(code) ? readFileSync(code) : undefined);
  // By the descriptor: a stream would be in the snapshot.
  if (script.cachedDataRejected) writeSync(STDERR, "V8 refused the compiled code of a rehearsed start\n");
  run(script);
} else {
  const script = compile(undefined);
  process.once("exit", (status) => {
    if (status === 0) keepCode(script);
  });
  run(script);
}
