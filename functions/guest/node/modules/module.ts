/** node:module, as far as bundles use it: `createRequire` finds node: modules. */
import services from "internal:services";

declare const BUILTIN_MODULES: readonly string[];

export default {
  builtinModules: Object.freeze([...BUILTIN_MODULES]),
  createRequire: () => (name: string) => services.requireByName(name),
  isBuiltin: (name: string) => process.getBuiltinModule(name) !== undefined,
};
