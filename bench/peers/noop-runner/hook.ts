/**
 * Loaded before the worker (`node --import`): its http tasks are handed to a runner that does nothing, and all else of it
 * is as it always is. So the queue's own machinery can be measured, without a setting that the product would have for it.
 */
import { registerHooks } from "node:module";

const REPLACED = new URL("../../../runtime/runners/http.ts", import.meta.url).href;
const BY = new URL("./http.ts", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url === REPLACED && context.parentURL !== BY ? { ...found, url: BY } : found;
  },
});
