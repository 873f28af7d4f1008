/** What a source of the project asks of its module would be the bundle's in a bundle: it is answered while that is built. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { Plugin } from "esbuild";

/** Not where it is quoted: some sources are about sources. */
const OF_A_MODULE = /(?<!["'`])import\.meta\.(url|main)\b/g;

const UNKNOWN_OF_A_MODULE = /(?<!["'`])import\.meta\.(?!url\b|main\b)\w+/;

/** @param isMain an expression, of a source's path: whether it is the main module */
export function adaptSources(isMain: (path: string) => string): Plugin {
  return {
    name: "adapt-sources",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const adapted = { url: JSON.stringify(pathToFileURL(path).href), main: isMain(path) };
        const source = await readFile(path, "utf8");
        const [unknown] = source.match(UNKNOWN_OF_A_MODULE) ?? [];
        if (unknown !== undefined)
          return {
            errors: [
              { text: `${unknown} would be the bundle's: take import.meta.url, or replace it here, too` },
            ],
          };
        const contents = source.replace(OF_A_MODULE, (_, name: keyof typeof adapted) => adapted[name]);
        return { contents, loader: "ts" };
      });
    },
  };
}
