/** How the packages of the web API are bundled into the guest's script. */
import { fileURLToPath } from "node:url";
import type { BuildOptions } from "esbuild";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export const WEB_BUNDLE_OPTIONS: Pick<
  BuildOptions,
  "alias" | "charset" | "conditions" | "define" | "inject" | "mainFields"
> = {
  alias: { tr46: here("domain-to-ascii.ts"), "webidl-conversions": here("url-conversions.ts") },
  // V8 keeps a source in two bytes a character as soon as one character needs them: 460 KB in each snapshot.
  charset: "ascii",
  // @exodus/bytes: the build without Node's or a browser's own decoders.
  conditions: ["react-native", "module", "import"],
  // whatwg-url looks at its getters while it is loaded, and has no other use for it; a snapshot has none.
  define: { "SharedArrayBuffer.prototype": "ArrayBuffer.prototype" },
  inject: [here("package-globals.ts")],
  mainFields: ["module", "main"],
};
