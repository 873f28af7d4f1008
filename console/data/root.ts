/** Where the API is: this script is served two steps below it, whatever stands in front. */
const API_ROOT = new URL("../..", import.meta.url);

/** Without the slash at its end. */
export const apiUrl = API_ROOT.href.replace(/\/$/, "");
/** The path of the console itself. */
export const consolePath = `${API_ROOT.pathname}console`;

const named = /^\/@([^/]+)/.exec(location.pathname.slice(consolePath.length));
/** The namespace that the address names: `/console/@billing/tasks`. */
export const namespaceOfAddress = named ? decode(named[1]!) : undefined;
/** As it stands, where it is no such encoding: there is no namespace of that name. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What links of this view begin with. */
export const basePath = named ? `${consolePath}/@${named[1]}` : consolePath;
