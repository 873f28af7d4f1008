/**
 * Run once while the snapshot is made, in a context that is thrown away: what it calls is kept compiled, and an
 * isolate's first use of it takes less time. It must not need the host.
 */
export const WEB_WARM_UP = `
const url = new URL("https://a.b/c?x=1#f");
url.searchParams.append("a", "b");
new URL("../x", "https://a.b/c/d").href;
new URLSearchParams("a=1").toString();
const headers = new Headers({ a: "b" });
headers.append("c", "d");
for (const pair of headers) headers.get(pair[0]);
const request = new Request("https://a.b/", { method: "POST", body: "x", headers });
void new Response("{}", { headers: { a: "b" } }).json();
void Response.json({}).text();
new TextDecoder().decode(new TextEncoder().encode("\\u00e9"));
structuredClone({ a: [1, new Date(), new Map([[1, 2]])] });
const controller = new AbortController();
controller.signal.addEventListener("abort", () => {});
controller.abort();
atob(btoa("x"));
const readable = new ReadableStream({ start(one) { one.enqueue("x"); one.close(); } });
void readable.pipeThrough(new TransformStream()).getReader().read();
void new Response(new Blob(["a"]).stream()).text();
new FormData().append("a", "b");
performance.now();
performance.mark("a");
`;
