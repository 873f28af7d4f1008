/** A bare connection to a permitted address, for what does not speak HTTP: mail servers. */
import { connect, isIP, type Socket } from "node:net";
import { type AddressRules, isAddressAllowed } from "./address-policy.ts";
import { createLookup, type Resolve, systemResolve } from "./connector.ts";
import { addressBlocked, connectTimedOut, toEgressError } from "./egress-error.ts";

export interface SocketTarget {
  /** A name, or an address without brackets. */
  host: string;
  port: number;
}

export interface GuardedSocketOptions {
  rules: AddressRules;
  /** For the name and the connection together. */
  connectTimeoutMs: number;
  /** Default: the system's resolver. */
  resolve?: Resolve | undefined;
}

/** Between its beginning and the first look at it. */
const GONE_AGAIN = Object.assign(new Error("connection reset"), { code: "ECONNRESET" });

/** Rejects with EgressError. */
export function connectGuarded(
  { host, port }: SocketTarget,
  { rules, connectTimeoutMs, resolve = systemResolve }: GuardedSocketOptions,
): Promise<Socket> {
  const isPermitted = (ip: string) => isAddressAllowed(ip, rules);
  return new Promise((settle, reject) => {
    // net never looks up a literal.
    if (isIP(host) !== 0 && !isPermitted(host)) return reject(addressBlocked(host));
    const socket = connect({ host, port, lookup: createLookup(resolve, isPermitted) });
    const timer = setTimeout(() => fail(connectTimedOut(host)), connectTimeoutMs);
    const onError = (error: Error) => fail(toEgressError(error, host));

    function fail(error: Error): void {
      clearTimeout(timer);
      // What comes of it later is nobody's.
      socket.on("error", () => {}).destroy();
      reject(error);
    }
    socket.once("error", onError);
    socket.once("connect", () => {
      // The last word, should an address ever come by another way than the two above.
      const { remoteAddress } = socket;
      if (remoteAddress === undefined) return onError(GONE_AGAIN);
      if (!isPermitted(remoteAddress)) return fail(addressBlocked(host));
      clearTimeout(timer);
      socket.off("error", onError);
      settle(socket);
    });
  });
}
