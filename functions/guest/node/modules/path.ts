import path from "path-browserify";

path["toNamespacedPath"] ??= (name: string) => name;

// Without one, what completes modules puts in its place what throws by its name.
if (path["win32"] === null) delete path["win32"];

export default path;
