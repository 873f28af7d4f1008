/**
 * Loaded into a role's process before its program: what can be done to a process from within alone. It does what stands in
 * the file that `TORTURE_ORDERS` names, whenever that changes; the program knows nothing of it.
 */
import { readFileSync, watch, writeFileSync } from "node:fs";

/** What `--import` names. */
export const INSIDE_ROLE = import.meta.filename;

export interface Orders {
  /** How far the clock of the process is ahead of the true one; timers go on as they are. */
  clockAheadMs: number;
  /** All memory is to be taken, until the process breaks down. */
  exhaustsMemory: boolean;
}

const CHUNK_NUMBERS = 500_000;
const EVERY_MS = 20;

let clockAheadMs = 0;
const held: number[][] = [];
let isExhausting = false;

const file = process.env["TORTURE_ORDERS"];
if (file !== undefined) {
  shiftDates();
  obey(file);
  watch(file, { persistent: false }, () => obey(file));
}

export function giveOrders(path: string, orders: Orders): void {
  writeFileSync(path, JSON.stringify(orders));
}

function obey(path: string): void {
  const orders = readOrders(path);
  if (!orders) return;
  clockAheadMs = orders.clockAheadMs;
  if (!orders.exhaustsMemory || isExhausting) return;
  isExhausting = true;
  setInterval(() => held.push(Array.from({ length: CHUNK_NUMBERS }, Math.random)), EVERY_MS);
}

/** Undefined: it is being written, and is whole a moment later. */
function readOrders(path: string): Orders | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Orders;
  } catch {
    return undefined;
  }
}

function shiftDates(): void {
  const trueNow = Date.now.bind(Date);
  const now = () => trueNow() + clockAheadMs;
  const Shifted = new Proxy(Date, {
    construct: (target, given, asked) =>
      Reflect.construct(target, given.length === 0 ? [now()] : given, asked),
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  });
  Date.prototype.constructor = Shifted;
  globalThis.Date = Shifted;
}
