import type ivmTypes from "isolated-vm";
import { BOOT_NAME, GUEST_FILENAME } from "../../../functions/guest/limits.ts";

export type Ivm = typeof ivmTypes;

/** What an isolate may call; every argument comes from a guest and is to be checked. */
export interface GuestCalls {
  onLog(no: unknown, level: unknown, message: unknown, fields: unknown, at: unknown): void;
  onSettle(no: unknown, code: unknown, text: unknown, droppedLines: unknown, isUnfit: unknown): void;
  onWake(delayMs: unknown): void;
  onSend(kind: unknown, no: unknown, text: unknown, bytes: unknown): void;
  /** While the isolate waits. */
  randomBytes(count: unknown): Uint8Array;
  domainToAscii(domain: unknown): string;
  nodeModule(name: unknown): string;
}

/** A context with the guest's script booted in it, and the one way in. */
export interface BootedContext {
  context: ivmTypes.Context;
  enter: ivmTypes.Reference;
}

const BOOT = `const boot = globalThis.${BOOT_NAME}; return boot($0, $1, $2, $3, $4, $5, $6);`;

/** Rejects where the isolate is gone. */
export async function bootContext(
  ivm: Ivm,
  isolate: ivmTypes.Isolate,
  calls: GuestCalls,
): Promise<BootedContext> {
  const context = await isolate.createContext();
  const callbacks = [
    new ivm.Callback(calls.onLog, { ignored: true }),
    new ivm.Callback(calls.onSettle, { ignored: true }),
    new ivm.Callback(calls.onWake, { ignored: true }),
    new ivm.Callback(calls.onSend, { ignored: true }),
    new ivm.Callback(calls.randomBytes),
    new ivm.Callback(calls.domainToAscii),
    new ivm.Callback(calls.nodeModule),
  ];
  const options = { result: { reference: true }, filename: GUEST_FILENAME } as const;
  const enter = (await context.evalClosure(BOOT, callbacks, options)) as ivmTypes.Reference;
  return { context, enter };
}

/** The bytes as an argument of an entry; the buffer moves. */
export function toGuestBytes(ivm: Ivm, bytes: Uint8Array): unknown {
  const copy = new Uint8Array(bytes);
  return new ivm.ExternalCopy(copy.buffer, { transferOut: true }).copyInto({
    release: true,
    transferIn: true,
  });
}
