/** What the requests of each tenant are held to: the installation's rules, and its own besides. */
import { type LazyAbort, whenAborted } from "../lazy-abort.ts";
import type { AddressRules } from "./address-policy.ts";
import { EgressError, signalAborted } from "./egress-error.ts";

export interface EgressRules extends AddressRules {
  /** The only names that may be called; null: any. An address is no name. */
  readonly hosts: readonly string[] | null;
}

/**
 * A tenant's own rules; undefined: it has none. The same object for as long as they are the same: connections that were made
 * under others are not used again.
 */
export type FindTenantRules = (tenant: string) => MaybePromise<EgressRules | undefined>;

/** At once, where it is known. */
type MaybePromise<T> = T | Promise<T>;

export type RulesOf = (request: Asking, hop: { url: URL }) => MaybePromise<EgressRules>;

interface Asking {
  tenant?: string | undefined;
  signal: AbortSignal | LazyAbort;
}

/** `deny` has the last word, whoever says it. Rejects with EgressError where a tenant's rules cannot be had. */
export function createRulesOf(installation: AddressRules, find: FindTenantRules | undefined): RulesOf {
  const ofInstallation: EgressRules = { ...installation, hosts: null };
  const together = new WeakMap<EgressRules, EgressRules>();

  function combine(own: EgressRules): EgressRules {
    const known = together.get(own);
    if (known) return known;
    const { allow, deny } = installation;
    const rules = { allow: [...allow, ...own.allow], deny: [...deny, ...own.deny], hosts: own.hosts };
    together.set(own, rules);
    return rules;
  }

  if (!find) return () => ofInstallation;
  const withOwn = (own: EgressRules | undefined) => (own ? combine(own) : ofInstallation);
  return ({ tenant, signal }, { url }) => {
    if (tenant === undefined) return ofInstallation;
    const found = find(tenant);
    if (!(found instanceof Promise)) return withOwn(found);
    const read = found.catch(() => {
      throw new EgressError("connect_failed", "Nothing was sent: the namespace's rules could not be read.");
    });
    return untilAborted(read, signal, url.host).then(withOwn);
  };
}

function untilAborted<T>(waited: Promise<T>, signal: AbortSignal | LazyAbort, host: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signalAborted(signal, host));
    if (signal.aborted) leave();
    const forget = whenAborted(signal, leave);
    waited.then(resolve, reject).finally(forget);
  });
}
