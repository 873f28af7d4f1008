/** Shapes of functions beside a default export, as their sources show them, and what stands for names of other platforms. */
import { posix } from "node:path";
import { pathToFileURL } from "node:url";

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

/** No such folder is anywhere. */
const FOLDER = "/function";

/** Where a module says that it lies: all become one script, so it is where the entry would be. */
export function placesOf(entry: string): Record<string, string> {
  const path = posix.join(FOLDER, entry);
  const folder = posix.dirname(path);
  const places = {
    "import.meta.url": pathToFileURL(path).href,
    "import.meta.filename": path,
    "import.meta.dirname": folder,
    __filename: path,
    __dirname: folder,
  };
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [name, JSON.stringify(place)]));
}
