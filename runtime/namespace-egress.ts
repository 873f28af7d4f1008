/** What operators have said of namespaces' requests, for the way out. */
import type { NamespaceEgress } from "../core/domain/namespace-egress.ts";
import { parseNetworks } from "../core/egress/address-policy.ts";
import type { EgressRules, FindTenantRules } from "../core/egress/tenant-rules.ts";
import { createBriefMemory } from "../core/store/brief-memory.ts";
import type { Listener } from "../core/store/listen.ts";

interface Said {
  text: string;
  rules: EgressRules;
}

type RulesByNamespace = ReadonlyMap<string, Said>;

const ALL = "all";
const KEPT_MS = 900;

/**
 * Those of all namespaces that have any: few do. They are at most 0.9 s old. Where the database does not answer, those
 * that were read last hold; where none ever were, nothing goes out.
 */
export function createNamespaceRules(
  load: () => Promise<ReadonlyMap<string, NamespaceEgress>>,
  listener: Pick<Listener, "on">,
  nowMs: () => number = () => performance.now(),
): FindTenantRules {
  let last: RulesByNamespace | undefined;
  const memory = createBriefMemory<RulesByNamespace>({
    async load() {
      last = toRules(await load(), last);
      return last;
    },
    idOf: () => ALL,
    ...{ listener, channel: "bellhop_keys", keptMs: KEPT_MS, nowMs },
  });
  return async (namespaceId) => {
    const rules = await memory.find(ALL).catch((error: unknown) => {
      if (!last) throw error;
      return last;
    });
    return rules?.get(namespaceId)?.rules;
  };
}

/** What is as it was stays the same object, so that connections are kept. */
function toRules(
  loaded: ReadonlyMap<string, NamespaceEgress>,
  before: RulesByNamespace | undefined,
): RulesByNamespace {
  const rules = new Map<string, Said>();
  for (const [namespaceId, egress] of loaded) {
    const text = JSON.stringify(egress);
    const known = before?.get(namespaceId);
    rules.set(namespaceId, known?.text === text ? known : { text, rules: parseRules(egress) });
  }
  return rules;
}

const parseRules = ({ allow, deny, hosts }: NamespaceEgress): EgressRules => ({
  allow: parseNetworks(allow.join(",")),
  deny: parseNetworks(deny.join(",")),
  hosts,
});
