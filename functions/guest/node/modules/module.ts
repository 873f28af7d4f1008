/** node:module, as far as bundles use it: `createRequire` finds node: modules. */
declare const require: (name: string) => unknown;

export default {
  createRequire: () => (name: string) => process.getBuiltinModule(name) ?? require(name),
  isBuiltin: (name: string) => process.getBuiltinModule(name) !== undefined,
};
