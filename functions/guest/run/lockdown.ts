/** Takes away what no limit of an isolate counts. */
import {
  construct,
  defineProperty,
  expose,
  NativeArrayBuffer,
  NativeError,
  NativeRangeError,
  NativeTypeError,
} from "./primordials.ts";

const DANGEROUS = ["WebAssembly", "SharedArrayBuffer", "Atomics"];

/**
 * To be called in every context before the author's code: V8 puts them into each new one, whatever the snapshot
 * lacked. Deleted, not overwritten: an overwritten global comes back when the guest deletes it.
 */
export function deleteDangerousGlobals(): void {
  const scope = globalThis as Record<string, unknown>;
  for (let i = 0; i < DANGEROUS.length; i++) {
    const name = DANGEROUS[i]!;
    if (!delete scope[name] || name in scope) throw new NativeError(`${name} is still there`);
  }
  if (scope["ArrayBuffer"] === NativeArrayBuffer) throw new NativeError("ArrayBuffer is not guarded");
}

/** Resizable buffers reserve address space that no limit of the isolate counts: the constructor refuses them. */
export function guardArrayBuffer(): void {
  const { prototype } = NativeArrayBuffer;
  delete (prototype as { resize?: unknown }).resize;
  const GuestBuffer = function (this: unknown, length: number, options?: { maxByteLength?: unknown }) {
    if (new.target === undefined) throw new NativeTypeError("Constructor ArrayBuffer requires 'new'");
    if (options !== undefined && options !== null && options.maxByteLength !== undefined) {
      throw new NativeRangeError("Resizable array buffers are not available.");
    }
    return construct(NativeArrayBuffer, [length], new.target);
  };
  defineProperty(GuestBuffer, "prototype", { value: prototype, writable: false });
  defineProperty(GuestBuffer, "name", { value: "ArrayBuffer" });
  defineProperty(GuestBuffer, "length", { value: 1 });
  const isView = { value: NativeArrayBuffer.isView, writable: true, configurable: true };
  defineProperty(GuestBuffer, "isView", isView);
  defineProperty(GuestBuffer, Symbol.species, {
    get(this: unknown) {
      return this;
    },
    configurable: true,
  });
  defineProperty(prototype, "constructor", { value: GuestBuffer, writable: true, configurable: true });
  expose("ArrayBuffer", GuestBuffer);
}
