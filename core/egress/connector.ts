/**
 * Opens connections to permitted addresses only. The check sits where the address is known for certain: in the
 * lookup, whose answer is the very address connected to, so a name cannot resolve differently a moment later.
 */
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";
import { type AddressRules, isAddressAllowed } from "./address-policy.ts";
import { addressBlocked, dnsFailed } from "./egress-error.ts";

export interface ResolvedAddress {
  address: string;
  family: number;
}

/** Every address of a name. */
export type Resolve = (hostname: string) => Promise<ResolvedAddress[]>;

export const systemResolve: Resolve = (hostname) => lookup(hostname, { all: true });

export interface ConnectorOptions {
  resolve: Resolve;
  rules: AddressRules;
  /** For the name, the connection and the TLS handshake together. */
  connectTimeoutMs: number;
}

export function createGuardedConnector({
  resolve,
  rules,
  connectTimeoutMs,
}: ConnectorOptions): buildConnector.connector {
  const isPermitted = (ip: string) => isAddressAllowed(ip, rules);
  // HTTP/1.1 alone: one request per connection at a time keeps failures apart from each other.
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    lookup: createLookup(resolve, isPermitted),
  });
  return (options, callback) => {
    // net never looks up a literal.
    if (isIP(options.hostname) !== 0 && !isPermitted(options.hostname)) {
      queueMicrotask(() => callback(addressBlocked(options.hostname), null));
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // The last word, should an address ever come by another way than the two above.
      if (socket.remoteAddress !== undefined && !isPermitted(socket.remoteAddress)) {
        socket.destroy();
        return callback(addressBlocked(options.hostname), null);
      }
      callback(null, socket);
    });
  };
}

/** Answers addresses that are permitted, and throws where a name has none. */
export function createLookup(resolve: Resolve, isPermitted: (ip: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (addresses: ResolvedAddress[]) => {
      if (addresses.length === 0) return callback(dnsFailed(hostname, { code: "ENODATA" }), "");
      const permitted = addresses.filter(({ address }) => isPermitted(address));
      const first = permitted[0];
      if (first === undefined) return callback(addressBlocked(hostname), "");
      if (options.all) return callback(null, permitted);
      callback(null, first.address, first.family);
    };
    resolve(hostname).then(answer, (error: unknown) => callback(dnsFailed(hostname, error), ""));
  };
}
