/** node:module, as far as bundles use it: `createRequire` finds node: modules. */
import services from "internal:services";

export default {
  createRequire: () => (name: string) => services.requireByName(name),
  isBuiltin: (name: string) => process.getBuiltinModule(name) !== undefined,
};
