import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { WEB_BUNDLE_OPTIONS } from "../web/bundle-options.ts";

const ENTRY = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Every isolate carries it and every snapshot load reads it: `npm run check` holds the script to this size. */
export const MAX_GUEST_BYTES = 600_000;

/** The guest's own script, ready for a snapshot. */
export async function bundleGuest(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    format: "iife",
    platform: "neutral",
    target: "node24",
    minify: true,
    keepNames: true,
    charset: "utf8",
    legalComments: "none",
    logLevel: "silent",
    ...WEB_BUNDLE_OPTIONS,
  });
  return outputFiles[0]!.text;
}
