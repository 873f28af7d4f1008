/** What is measured: the folders of web-platform-tests whose standards the guest's web API follows. */
export const FOLDERS = [
  "url",
  "encoding",
  "fetch/api/headers",
  "fetch/api/request",
  "fetch/api/response",
  "fetch/api/body",
  "dom/abort",
  "dom/events",
  "streams",
  "html/webappapis/timers",
  "html/webappapis/atob",
  "html/webappapis/structured-clone",
  "html/webappapis/microtask-queuing",
  "WebCryptoAPI",
  "compression",
  "FileAPI",
  "xhr/formdata",
  "urlpattern",
  "console",
  "hr-time",
  "user-timing",
] as const;

/** Files that are not `.any.js` in name but use nothing of a window. */
export const EXTRA_FILES: readonly string[] = ["url/IdnaTestV2.window.js"];

/** Whether a file, by its path in the checkout, is one that may run outside a browser. */
export function isCandidate(path: string): boolean {
  return path.endsWith(".any.js") || EXTRA_FILES.includes(path);
}
