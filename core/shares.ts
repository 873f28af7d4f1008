/** Who asks: a function, and the namespace it is in. */
export interface Claimant {
  namespaceId: string;
  functionId: string;
}

/** The most that one function, one namespace and all of them together may hold. */
export interface ShareLimits {
  function: number;
  namespace: number;
  all: number;
}

/** Something that there is a bounded amount of, shared so that nobody takes it all. */
export interface Shares {
  readonly held: number;
  /** False: it is more than one of the shares has left, and nothing was taken. */
  take(claimant: Claimant, amount: number): boolean;
  release(claimant: Claimant, amount: number): void;
  /** Takes back what was released a moment ago, even where it has become too much. */
  retake(claimant: Claimant, amount: number): void;
}

export function createShares(limits: ShareLimits): Shares {
  const functions = new Map<string, number>();
  const namespaces = new Map<string, number>();
  let held = 0;

  function add({ functionId, namespaceId }: Claimant, amount: number): void {
    held += amount;
    addTo(functions, functionId, amount);
    addTo(namespaces, namespaceId, amount);
  }

  return {
    get held() {
      return held;
    },
    take(claimant, amount) {
      const { functionId, namespaceId } = claimant;
      if (
        held + amount > limits.all ||
        (namespaces.get(namespaceId) ?? 0) + amount > limits.namespace ||
        (functions.get(functionId) ?? 0) + amount > limits.function
      )
        return false;
      add(claimant, amount);
      return true;
    },
    release: (claimant, amount) => add(claimant, -amount),
    retake: add,
  };
}

/** Who holds nothing is forgotten. */
function addTo(amounts: Map<string, number>, key: string, amount: number): void {
  const left = (amounts.get(key) ?? 0) + amount;
  if (left > 0) amounts.set(key, left);
  else amounts.delete(key);
}
