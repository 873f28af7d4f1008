/**
 * Begins the executor: runs its program with the code that V8 compiled of it in a rehearsed one, where there is such code.
 * Arguments: the file of the program, that of the code or nothing, and the program's own.
 */
import { readFileSync, writeSync } from "node:fs";
import { CODE_REFUSED } from "../protocol/messages.ts";
import { compileProgram, type Load, runProgram } from "./compile-program.ts";

declare const require: Load;

const STDERR = 2;
const [program = "", code = ""] = process.argv.splice(2, 2);

const script = compileProgram(readFileSync(program, "latin1"), code === "" ? undefined : readFileSync(code));
if (script.cachedDataRejected) writeSync(STDERR, `${CODE_REFUSED}\n`);
runProgram(script, require);
