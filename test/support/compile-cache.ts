/** A program starts in half of the processor time where what it imports was compiled before, by whichever process. */
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "..", ".cache", "compile");

/** For the environment of Node processes. */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? FOLDER };
