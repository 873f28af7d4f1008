/** A view's filters and page, kept in its address: whoever gets the address sees the same. */
import { useLocation, useSearch as useQueryText } from "wouter-preact";

export interface Search {
  get(name: string): string | undefined;
  /** An empty value is left out. A change of a filter begins at the first page again. */
  set(changes: Record<string, string | undefined>): void;
  /** The address with these changes, for links. */
  with(changes: Record<string, string | undefined>): string;
  text: string;
}

export function useSearch(): Search {
  const [at, navigate] = useLocation();
  const text = useQueryText();
  const params = new URLSearchParams(text);
  const change = (changes: Record<string, string | undefined>) => {
    const next = new URLSearchParams(params);
    if (!("cursor" in changes)) next.delete("cursor");
    for (const [name, value] of Object.entries(changes))
      if (value) next.set(name, value);
      else next.delete(name);
    return next.size === 0 ? at : `${at}?${next}`;
  };
  return {
    get: (name) => params.get(name) ?? undefined,
    set: (changes) => navigate(change(changes), { replace: true }),
    with: change,
    text,
  };
}

/** Only what is set: exact optional properties. */
export function given<Value>(values: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Record<
    string,
    Value
  >;
}
