/** What the requests of each tenant are held to: the installation's rules, and its own besides. */
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
export type FindTenantRules = (tenant: string) => Promise<EgressRules | undefined>;

export type RulesOf = (request: Asking, hop: { url: URL }) => EgressRules | Promise<EgressRules>;

interface Asking {
  tenant?: string | undefined;
  signal: AbortSignal;
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
  return async ({ tenant, signal }, { url }) => {
    if (tenant === undefined) return ofInstallation;
    const found = find(tenant).catch(() => {
      throw new EgressError("connect_failed", "Nothing was sent: the namespace's rules could not be read.");
    });
    const own = await untilAborted(found, signal, url.host);
    return own ? combine(own) : ofInstallation;
  };
}

function untilAborted<T>(waited: Promise<T>, signal: AbortSignal, host: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signalAborted(signal, host));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    waited.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
