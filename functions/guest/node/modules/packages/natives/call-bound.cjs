// A package's stand-in for call-bind: the intrinsics of this realm, uncurried.
const { apply } = Reflect;
module.exports = function callBound(path) {
  let value = globalThis;
  for (const part of path.replace(/^%|%$/g, "").split(".")) value = value?.[part];
  return typeof value === "function" ? (self, ...args) => apply(value, self, args) : value;
};
