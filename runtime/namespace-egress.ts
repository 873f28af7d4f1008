/** What operators have said of namespaces' requests, for the way out. */
import type { Clock } from "../core/clock.ts";
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
type FoundRules = Promise<RulesByNamespace | undefined>;

export interface NamespaceRulesParts {
  load(): Promise<ReadonlyMap<string, NamespaceEgress>>;
  listener: Pick<Listener, "on">;
  clock: Pick<Clock, "sleep">;
  /** Of a load that failed, and of rules that cannot be read. */
  onError(error: unknown): void;
  nowMs?(): number;
}

const ALL = "all";
const KEPT_MS = 900;
/** A database that says nothing holds up what goes out no longer than this. */
const PATIENCE_MS = 1_000;

/**
 * Those of all namespaces that have any: few do. They are at most 0.9 s old. Where the database does not answer, those
 * that were read last hold; where none ever were, nothing goes out.
 */
export function createNamespaceRules({
  load,
  listener,
  clock,
  onError,
  nowMs = () => performance.now(),
}: NamespaceRulesParts): FindTenantRules {
  let last: RulesByNamespace | undefined;
  let begun = 0;
  let lastNo = 0;
  const memory = createBriefMemory<RulesByNamespace>({
    async load() {
      begun += 1;
      const no = begun;
      try {
        const rules = toRules(await load(), last, onError);
        // One that began before and took longer has read what was.
        if (no < lastNo) return last;
        lastNo = no;
        last = rules;
        return rules;
      } catch (error) {
        onError(error);
        throw error;
      }
    },
    idOf: () => ALL,
    ...{ listener, channel: "bellhop_keys", keptMs: KEPT_MS, nowMs },
  });

  /** The last look, and what those are told who wait for it: hundreds of runs that begin at once share one patience. */
  let look: { loading: FoundRules; told: FoundRules } | undefined;

  async function findAll(): Promise<RulesByNamespace | undefined> {
    const loading = memory.find(ALL);
    if (!last) return await loading;
    // Not one from before a change was heard of.
    if (look?.loading !== loading) look = { loading, told: waitPatiently(loading) };
    return await look.told;
  }

  async function waitPatiently(loading: FoundRules): Promise<RulesByNamespace | undefined> {
    const answered = new AbortController();
    const patience = clock.sleep(PATIENCE_MS, answered.signal).then(() => last);
    try {
      return await Promise.race([loading.catch(() => last), patience]);
    } finally {
      answered.abort();
    }
  }

  const rulesIn = (all: RulesByNamespace | undefined, namespaceId: string) => all?.get(namespaceId)?.rules;
  return (namespaceId) => {
    const known = memory.recall(ALL);
    return known ? rulesIn(known, namespaceId) : findAll().then((all) => rulesIn(all, namespaceId));
  };
}

/** What is as it was stays the same object, so that connections are kept. */
function toRules(
  loaded: ReadonlyMap<string, NamespaceEgress>,
  before: RulesByNamespace | undefined,
  onError: (error: unknown) => void,
): RulesByNamespace {
  const rules = new Map<string, Said>();
  for (const [namespaceId, egress] of loaded) {
    const text = JSON.stringify(egress);
    const known = before?.get(namespaceId);
    rules.set(namespaceId, known?.text === text ? known : { text, rules: readRules(egress, onError) });
  }
  return rules;
}

/** What cannot be read closes its own namespace, and no other. */
function readRules({ allow, deny, hosts }: NamespaceEgress, onError: (error: unknown) => void): EgressRules {
  try {
    return { allow: parseNetworks(allow.join(",")), deny: parseNetworks(deny.join(",")), hosts };
  } catch (error) {
    onError(error);
    return { allow: [], deny: [], hosts: [] };
  }
}
