/**
 * What runs in the realm under test, in the sandbox and in node alike: `module.exports.default(plan)` evaluates the
 * harness and the scripts of one test file and resolves with what came of it. It uses nothing of the web's API but
 * timers, and keeps the built-ins it needs, since tests replace them.
 *
 * plan: { scripts: [{ path, source }], data: { path: { text } | { base64 } }, url, isIdlTest, timeoutMs, maxChars }
 * result: { harness: status, message, passes, failures: [[name, status, message]], left: failures that did not fit }
 */
module.exports.default = (plan) => {
  const { eval: evaluate } = globalThis;
  const { setTimeout, Promise: NativePromise } = globalThis;
  const stringify = JSON.stringify;

  const [HARNESS_OK, TEST_PASS] = [0, 0];
  const STATUS = ["PASS", "FAIL", "TIMEOUT", "NOTRUN", "PRECONDITION_FAILED"];
  const HARNESS_STATUS = ["OK", "ERROR", "TIMEOUT", "PRECONDITION_FAILED"];
  const LOAD_FAILED_WAIT_MS = 1_000;
  const LAST_WAIT_MS = 1_000;
  const ORIGIN = "https://web-platform.test";
  const MAX_MESSAGE_CHARS = 200;

  function define(name, value) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }

  function defineEnvironment() {
    const [path, search = ""] = plan.url.split("?");
    if (globalThis.self === undefined) define("self", globalThis);
    define("GLOBAL", { isWindow: () => false, isWorker: () => false, isShadowRealm: () => false });
    define("location", {
      href: ORIGIN + plan.url,
      origin: ORIGIN,
      protocol: "https:",
      host: "web-platform.test",
      hostname: "web-platform.test",
      port: "",
      pathname: path,
      search: search && `?${search}`,
      hash: "",
      toString: () => ORIGIN + plan.url,
    });
    if (typeof globalThis.fetch === "function" || Object.keys(plan.data).length > 0) defineFetch();
    if (path.startsWith("/fetch/")) resolveRequests();
    const readsBlobs = path.startsWith("/fetch/") || path.startsWith("/FileAPI/blob/");
    if (readsBlobs && globalThis.FileReader === undefined) define("FileReader", BlobReader);
  }

  /** Answers for the test's own static files; their server is not here, and the rest is the realm's own fetch's. */
  function defineFetch() {
    const native = globalThis.fetch;
    const { TypeError: NativeTypeError } = globalThis;
    define("fetch", function fetch(input, ...rest) {
      const url = typeof input === "string" ? input : `${input?.url}`;
      const isServers = url.startsWith(ORIGIN) || !/^[a-z][a-z0-9+.-]*:/i.test(url);
      if (!isServers) return native(input, ...rest);
      const file = plan.data[resolvePath(url)];
      if (file === undefined)
        return NativePromise.reject(new NativeTypeError("the tests' server is not here"));
      return NativePromise.resolve({
        ok: true,
        status: 200,
        text: async () => file.text,
        json: async () => JSON.parse(file.text),
        arrayBuffer: async () => decodeBase64(file.base64),
      });
    });
  }

  /** A page resolves relative URLs of requests; a runtime without pages has no base to do so. */
  function resolveRequests() {
    const { Request, URL } = globalThis;
    if (Request === undefined || URL === undefined || canResolve(Request)) return;
    const resolved = (input) => {
      if (typeof input !== "string" || !URL.canParse(input, globalThis.location.href)) return input;
      return new URL(input, globalThis.location.href).href;
    };
    const construct = (target, [input, ...rest], newTarget) =>
      Reflect.construct(target, [resolved(input), ...rest], newTarget === proxy ? target : newTarget);
    const proxy = new Proxy(Request, { construct });
    define("Request", proxy);
  }

  function canResolve(Request) {
    try {
      return new Request("relative").url !== "";
    } catch {
      return false;
    }
  }

  /** As much of FileReader as tests of Blob need to see what a blob holds. */
  class BlobReader {
    readAsText(blob) {
      this.#read(blob.text());
    }

    readAsArrayBuffer(blob) {
      this.#read(blob.arrayBuffer());
    }

    #read(content) {
      content.then(
        (result) => {
          this.result = result;
          this.onload?.({ target: this });
          this.onloadend?.({ target: this });
        },
        (error) => this.onerror?.({ target: this, error }),
      );
    }
  }

  function resolvePath(reference) {
    const base = plan.url.split("?")[0].split("/").slice(1, -1);
    const parts = reference.startsWith("/") ? [] : base;
    for (const part of reference.split("?")[0].split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "." && part !== "") parts.push(part);
    }
    return parts.join("/");
  }

  function decodeBase64(text) {
    const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const bytes = [];
    let bits = 0;
    let count = 0;
    for (const char of text) {
      if (char === "=") break;
      bits = ((bits << 6) | digits.indexOf(char)) & 0xffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        bytes.push((bits >> count) & 0xff);
      }
    }
    return new Uint8Array(bytes).buffer;
  }

  function describe(error) {
    try {
      return `${error?.name ?? "Error"}: ${error?.message ?? error}`;
    } catch {
      return "an error that cannot be described";
    }
  }

  function fold(tests, status, loadError) {
    const result = { harness: HARNESS_STATUS[status.status], message: "", passes: 0, failures: [], left: 0 };
    if (status.status !== HARNESS_OK) result.message = `${status.message ?? ""}`.slice(0, MAX_MESSAGE_CHARS);
    if (loadError !== undefined) {
      result.harness = "ERROR";
      result.message = loadError.slice(0, MAX_MESSAGE_CHARS);
    }
    let chars = 0;
    for (let i = 0; i < tests.length; i++) {
      const test = tests[i];
      if (test.status === TEST_PASS) {
        result.passes++;
        continue;
      }
      const message = `${test.message ?? ""}`.slice(0, MAX_MESSAGE_CHARS);
      const failure = [test.name, STATUS[test.status] ?? "FAIL", message];
      chars += stringify(failure).length + 1;
      if (chars > plan.maxChars) result.left++;
      else result.failures.push(failure);
    }
    return result;
  }

  return new NativePromise((resolve) => {
    let loadError;
    let tests = [];
    defineEnvironment();
    for (let i = 0; i < plan.scripts.length; i++) {
      const { path, source } = plan.scripts[i];
      try {
        evaluate(`${source}\n//# sourceURL=/${path}`);
      } catch (error) {
        loadError = `${path}: ${describe(error)}`;
      }
      if (i === 0) {
        globalThis.add_result_callback((test) => {
          tests.push(test);
        });
        globalThis.add_completion_callback((all, status) => {
          tests = all;
          resolve(fold(tests, status, loadError));
        });
        // What the IDL harness asks where it wants to know which interfaces should be here.
        if (plan.isIdlTest) define("Window", Object.getPrototypeOf(globalThis).constructor);
      }
    }
    setTimeout(
      () => {
        setTimeout(
          () => resolve(fold(tests, { status: 2, message: "did not end" }, loadError)),
          LAST_WAIT_MS,
        );
        globalThis.timeout();
      },
      loadError === undefined ? plan.timeoutMs : LOAD_FAILED_WAIT_MS,
    );
  });
};
