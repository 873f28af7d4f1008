import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { BellhopError } from "../../core/errors.ts";

export const unknownHook = () => new BellhopError("hook_not_found", 404, PROBLEM_CODES.hook_not_found);
