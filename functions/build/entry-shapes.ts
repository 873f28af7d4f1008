/** Shapes of functions beside a default export, as their sources show them. */

const LISTENS = /\baddEventListener\s*\(\s*["'`](?:fetch|scheduled)["'`]/;
const DENO = /\bDeno\s*\.\s*(?:serve|env)\b/;
const SERVES = /\bDeno\s*\.\s*serve\b/;

/** Whether the module may register what it is called by while it is loaded. */
export function registersHandler(sources: Iterable<string>): boolean {
  return Array.from(sources).some((source) => LISTENS.test(source) || SERVES.test(source));
}

/**
 * What stands for `Deno.serve` and `Deno.env`: the guest's own, by the `require` that every script has. A global `Deno`
 * would make libraries look for the rest of it.
 */
export function definesOf(sources: Iterable<string>): Record<string, string> {
  if (!Array.from(sources).some((source) => DENO.test(source))) return {};
  return { "Deno.serve": "require.deno.serve", "Deno.env": "require.deno.env" };
}
