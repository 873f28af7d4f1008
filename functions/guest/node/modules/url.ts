import url from "unenv/node/url";

export default {
  ...url,
  URL: globalThis.URL,
  URLSearchParams: globalThis.URLSearchParams,
  URLPattern: (globalThis as Record<string, unknown>)["URLPattern"],
};
