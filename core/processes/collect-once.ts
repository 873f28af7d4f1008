/**
 * A process that comes to rest is collected once. V8 would do it again 100 s later, for another 80 ms of a core, in case the
 * first time has let go of more: of the 35 to 45 MB of a role that is 0.1 to 1 MB.
 * Four roles at rest were seen to hold 9 to 11 MB more together.
 */
import { setFlagsFromString } from "node:v8";

const COLLECT_ONCE = "--memory-reducer-gc-count=1";

/**
 * For a role's own program: a worker from the bundle runs with the flags with which its code was compiled. V8 tells compiled
 * code by flags: what is loaded after this is compiled anew where a process without it has kept it, and the other way round.
 */
export const collectOnceAtRest = (): void => setFlagsFromString(COLLECT_ONCE);
