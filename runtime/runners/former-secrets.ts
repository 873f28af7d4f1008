/**
 * Secrets that were replaced or removed: an isolate that served a run before may still hold one in a variable of its
 * module, so what later runs print is searched for them too, for as long as this worker lives.
 */
type NamedSecret = readonly [name: string, value: string];

export interface FormerSecrets {
  /** The secrets that the function has now, and those it had before. */
  with(functionId: string, secrets: readonly NamedSecret[]): NamedSecret[];
}

/** The oldest are forgotten first. */
const MAX_OF_A_FUNCTION = 200;
const MAX_FUNCTIONS = 1_000;

export function createFormerSecrets(): FormerSecrets {
  /** By function, names by value; what was seen last stands last. */
  const seen = new Map<string, Map<string, string>>();
  return {
    with(functionId, secrets) {
      const known = seen.get(functionId) ?? new Map<string, string>();
      seen.delete(functionId);
      for (const [name, value] of secrets) {
        known.delete(value);
        known.set(value, name);
      }
      forgetOldest(known, Math.max(MAX_OF_A_FUNCTION, secrets.length));
      if (known.size > 0) seen.set(functionId, known);
      forgetOldest(seen, MAX_FUNCTIONS);
      return Array.from(known, ([value, name]) => [name, value] as const);
    },
  };
}

function forgetOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
