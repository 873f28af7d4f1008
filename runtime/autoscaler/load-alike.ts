/**
 * What a snapshot holds is the same in each worker that starts from it. So the program, while it is loaded for one, may ask
 * for nothing that should differ between processes: this has it fail there, and no snapshot is made. To be imported
 * before everything else.
 */
import crypto from "node:crypto";
import { startupSnapshot } from "node:v8";

let isLoading = startupSnapshot.isBuildingSnapshot();
const restores: (() => void)[] = [];

function forbid<Name extends string>(owner: Record<Name, (...args: never[]) => unknown>, name: Name): void {
  const ask = owner[name];
  // Whoever keeps it while it is loaded has one that works later.
  owner[name] = function (this: unknown, ...args: never[]) {
    if (isLoading)
      throw new Error(`A module calls ${name} while it is loaded: all workers would share what it gets.`);
    return Reflect.apply(ask, this, args);
  };
  restores.push(() => {
    owner[name] = ask;
  });
}

if (isLoading) {
  forbid(crypto, "randomUUID");
  forbid(crypto, "randomFillSync");
  forbid(crypto, "randomBytes");
  forbid(Math, "random");
  forbid(Date, "now");
}

/** The program is loaded: from now on each process asks for itself. */
export function endLoading(): void {
  isLoading = false;
  for (const restore of restores.splice(0)) restore();
}
