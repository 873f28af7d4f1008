import path from "path-browserify";

path["toNamespacedPath"] ??= (name: string) => name;

export default path;
