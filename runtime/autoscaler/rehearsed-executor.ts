/**
 * An executor that is rehearsed: runs the program as its loader does, and when its parent has ended stdin keeps the code
 * that V8 has compiled for it. Arguments: the file of the program, that of the code, and the program's own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { compileProgram, runProgram } from "../sandbox/child/compile-program.ts";

const [program = "", code = ""] = process.argv.splice(2, 2);
const script = compileProgram(readFileSync(program, "latin1"));
process.stdin.resume().once("end", () => {
  writeFileSync(code, script.createCachedData());
  process.exit();
});
runProgram(script, createRequire(import.meta.url));
