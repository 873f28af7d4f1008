/**
 * The seam for AsyncLocalStorage: what is called later keeps the stores of whoever asked for it. Nothing is kept until
 * node:async_hooks is loaded and says how.
 */
export type Binder = <F extends (...args: never[]) => unknown>(callback: F) => F;

let bind: Binder | undefined;

export function setBinder(binder: Binder): void {
  bind = binder;
}

/** The callback, with the stores that stand now. */
export function bindContext<F extends (...args: never[]) => unknown>(callback: F): F {
  return bind === undefined ? callback : bind(callback);
}
