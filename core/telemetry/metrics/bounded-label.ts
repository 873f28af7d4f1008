/** Label values that somebody else chooses. Each value is a series: the first `limit` stand, the rest are `other`. */
export const OTHER = "other";

export function createBoundedLabel(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= limit) return OTHER;
    known.add(value);
    return value;
  };
}
