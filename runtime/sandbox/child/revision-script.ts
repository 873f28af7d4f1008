import type ivmTypes from "isolated-vm";
import { FUNCTION_FILENAME } from "../../../functions/guest/limits.ts";

/** Its types leave this out. */
type CompiledScript = ivmTypes.Script & {
  cachedData?: ivmTypes.ExternalCopy<ArrayBuffer>;
  cachedDataRejected?: boolean;
};

/** A revision's script. What V8 made of it for one isolate is kept for the next, whose start it shortens. */
export class RevisionScript {
  readonly #source: string;
  #compiled: ivmTypes.ExternalCopy<ArrayBuffer> | undefined;

  constructor(code: string) {
    // On one line with the script's first, so that line numbers hold.
    this.#source = `(function (module, exports, require) {${code}\n})`;
  }

  /** The script's factory of modules in this context. Rejects where it does not compile. */
  async evaluate(isolate: ivmTypes.Isolate, context: ivmTypes.Context): Promise<ivmTypes.Reference<unknown>> {
    const kept = this.#compiled;
    const script: CompiledScript = await isolate.compileScript(this.#source, {
      filename: FUNCTION_FILENAME,
      ...(kept ? { cachedData: kept } : { produceCachedData: true }),
    });
    if (!kept || script.cachedDataRejected) this.#compiled = script.cachedData;
    return (await script.run(context, { reference: true, release: true })) as ivmTypes.Reference<unknown>;
  }
}
