import { build, type Plugin } from "esbuild";

/** As `esbuild app.ts --bundle --format=esm --platform=node` makes it of a file in this folder. */
export async function bundleCase(source: string, plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    logLevel: "silent",
    plugins,
  });
  return outputFiles[0]!.text;
}
