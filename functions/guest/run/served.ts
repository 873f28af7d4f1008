/**
 * `Deno.serve(handler)` and `Deno.env`, which the compiler finds by their names and leads here: there is no `Deno` among
 * the globals, which libraries would take for the whole of it.
 */
import { processEnv } from "../node/services.ts";
import { assign, hasOwn, NativePromise, NativeTypeError } from "./primordials.ts";

type Handler = (request: unknown, info: object) => unknown;

export const served: { handler: Handler | undefined } = { handler: undefined };

function serve(first: unknown, second?: unknown): object {
  const handlers = [first, second, (first as { handler?: unknown } | null)?.handler];
  const handler = handlers.find((one) => typeof one === "function") as Handler | undefined;
  if (handler === undefined) throw new NativeTypeError("Deno.serve takes a function (request, info)");
  const remoteAddr = { transport: "tcp", hostname: "", port: 0 };
  served.handler = (request) => {
    const hostname = (request as { headers: Headers }).headers.get("x-real-ip") ?? "";
    return handler(request, {
      remoteAddr: { ...remoteAddr, hostname },
      completed: NativePromise.resolve(),
    });
  };
  const server = {
    addr: remoteAddr,
    finished: new NativePromise<void>(() => {}),
    shutdown: async () => {},
    ref() {},
    unref() {},
  };
  return server;
}

export const deno = {
  serve,
  env: {
    get: (name: string) => (hasOwn(processEnv(), name) ? processEnv()[name] : undefined),
    has: (name: string) => hasOwn(processEnv(), name),
    toObject: () => assign({}, processEnv()),
    set(name: string, value: string) {
      processEnv()[name] = value;
    },
    delete(name: string) {
      delete processEnv()[name];
    },
  },
};
