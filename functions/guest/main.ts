/**
 * What stands in every isolate before the author's code, held by a snapshot: this script is evaluated when that is
 * made, `boot` when an isolate is made of it. The author's code sees the globals it leaves and nothing else of it.
 */
import { connectHost, type HostMessageKind, receiveMessage } from "./host.ts";
import { receiveCalls, resetCall } from "./http/call-channel.ts";
import { BOOT_NAME } from "./limits.ts";
import { installNodeGlobals } from "./node/globals.ts";
import { installAttemptWords } from "./run/attempt-words.ts";
import { installConsole } from "./run/console.ts";
import { connectRunHost, onRunEnd, type RunHost } from "./run/current-run.ts";
import { executeRuns, type ModuleFactory, withdrawWaiting } from "./run/execute.ts";
import { receiveKvAnswers } from "./run/kv.ts";
import { deleteDangerousGlobals, guardArrayBuffer } from "./run/lockdown.ts";
import { receiveAborts } from "./run/signal.ts";
import { installTimers } from "./run/timer-globals.ts";
import { runDueTimer, setClock } from "./run/timers.ts";
import { installWeb, resetWeb } from "./web/install-web.ts";

const NativeBytes = Uint8Array;

guardArrayBuffer();
installConsole();
installAttemptWords();
installTimers();
installWeb();
installNodeGlobals();
receiveCalls();
receiveKvAnswers();
receiveAborts();
onRunEnd(resetWeb);
onRunEnd(resetCall);
Object.defineProperty(globalThis, BOOT_NAME, { value: boot, configurable: true });

type Enter = (op: number, hostNow: number, ...args: unknown[]) => number;

/** To be called once in every context; answers the one function through which the executor enters. */
function boot(
  log: RunHost["log"],
  settle: RunHost["settle"],
  wake: RunHost["wake"],
  send: (kind: HostMessageKind, no: number, text: string, bytes: Uint8Array | undefined) => void,
  randomBytes: (count: number) => Uint8Array,
  domainToAscii: (domain: string) => string,
  nodeModule: (name: string) => string,
): Enter {
  delete (globalThis as Record<string, unknown>)[BOOT_NAME];
  deleteDangerousGlobals();
  connectRunHost({ log, settle, wake });
  connectHost({ send, randomBytes, domainToAscii, nodeModule });
  return enter;
}

/**
 * op 0, START: factory or undefined, JSON of GuestStart[], the bodies of their requests; op 1, TIMER; op 2, MESSAGE: kind, number, text, bytes.
 * Answers the milliseconds to the next timer, -1 where there is none.
 */
function enter(op: number, hostNow: number, ...args: unknown[]): number {
  setClock(hostNow);
  withdrawWaiting();
  if (op === 0) {
    void executeRuns(args[1] as string, args[2] as string, args[0] as ModuleFactory | undefined);
    return -1;
  }
  if (op === 1) return runDueTimer();
  const bytes = args[3] as ArrayBuffer | undefined;
  receiveMessage(
    args[0] as HostMessageKind,
    args[1] as number,
    args[2] as string,
    bytes === undefined ? undefined : new NativeBytes(bytes),
  );
  return -1;
}
