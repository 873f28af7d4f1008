/** What Node has and a function has not: it can be imported, and throws by its name when it is called. */

type Shape = { [name: string]: Shape | [data: unknown] | 0 };

class NotAvailableError extends Error {
  readonly code = "ERR_METHOD_NOT_IMPLEMENTED";
  constructor(what: string) {
    super(`${what} is not available in a function`);
    this.name = "NotAvailableError";
  }
}

/** Functions that answer a promise stand in modules and objects of this name; classes stand among them. */
const OF_PROMISES = /[/.]promises\.[a-z]\w*$/;

/** Of what is called or constructed, and of what classes extend. */
export function stub(what: string): () => unknown {
  function refuse(): never {
    throw new NotAvailableError(what);
  }
  async function reject(): Promise<never> {
    refuse();
  }
  return Object.defineProperty(OF_PROMISES.test(what) ? reject : refuse, "name", {
    value: what.slice(what.lastIndexOf(".") + 1),
    configurable: true,
  });
}

/** Adds what `target` lacks of the shape; `name` is its module's. */
function complete(target: object, name: string, shape: Shape): void {
  for (const key of Object.keys(shape)) {
    const one = shape[key]!;
    const what = `${name}.${key}`;
    const known: unknown = (target as Record<string, unknown>)[key];
    if (one === 0 || Array.isArray(one)) {
      if (key in target) continue;
      add(target, key, one === 0 ? stub(what) : one[0]);
    } else if (typeof known === "object" && known !== null && Object.isExtensible(known)) {
      if (known !== globalThis) complete(known, what, one);
    } else if (known === undefined) {
      const holder = {};
      complete(holder, what, one);
      add(target, key, holder);
    }
  }
}

function add(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

export default { complete, stub };
