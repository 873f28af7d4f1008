/** Uploaded beside every attack: looks for what is not the guest's own. Its built-ins are captured before any attack. */
const { getPrototypeOf, getOwnPropertyDescriptor } = Object;
const { ownKeys, apply } = Reflect;
const ObjectPrototype = Object.prototype;
const NativeSet = Set;
const setHas = uncurry(Set.prototype.has);
const setAdd = uncurry(Set.prototype.add);
const push = uncurry(Array.prototype.push);
const shift = uncurry(Array.prototype.shift);
const test = uncurry(RegExp.prototype.test);
const toText = String;

const MOST_OBJECTS = 60_000;
const HOST_TYPES =
  /^(process|Reference|Callback|ExternalCopy|Isolate|Context|Script|Module|NativeModule|InspectorSession|Process|Socket|Pipe|ChildProcess|ReferenceHandle|CallbackHandle)$/;
/** A place in Node's own sources, not a module's name: those are the guest's too. */
const HOST_TEXT =
  /\bnode:[\w/]+:\d|isolated[-_]vm|node_modules|\.node\b|file:\/\/\/|\/executor\/|\/sandbox\//;

// biome-ignore lint/suspicious/noExplicitAny: what an attack reaches has no type.
type Anything = any;

function uncurry(
  method: (...args: Anything[]) => Anything,
): (self: unknown, ...args: Anything[]) => Anything {
  return (self, ...args) => apply(method, self, args);
}

/** Everything reachable from the values, by properties, accessors, prototypes: what of it belongs to a host. */
export function searchHost(roots: Record<string, unknown>): string[] {
  const found: string[] = [];
  const seen = new NativeSet<unknown>();
  const queue: [path: string, value: unknown][] = [];
  const add = (path: string, value: unknown) => {
    if (typeof value === "string" && test(HOST_TEXT, value))
      push(found, `${path} says ${value.slice(0, 200)}`);
    if ((typeof value !== "object" || value === null) && typeof value !== "function") return;
    if (setHas(seen, value)) return;
    setAdd(seen, value);
    push(queue, [path, value]);
  };
  const names = ownKeys(roots);
  for (let i = 0; i < names.length; i++) add(toText(names[i]), roots[names[i] as string]);
  for (let count = 0; queue.length > 0 && count < MOST_OBJECTS; count++) {
    const [path, value] = shift(queue) as [string, object];
    const why = foreignness(value);
    if (why !== "") push(found, `${path} ${why}`);
    visit(path, value, add);
  }
  return found;
}

function visit(path: string, value: object, add: (path: string, value: unknown) => void): void {
  try {
    add(`${path}.__proto__`, getPrototypeOf(value));
    const keys = ownKeys(value);
    for (let i = 0; i < keys.length && i < 5_000; i++) {
      const key = keys[i]!;
      const inner = `${path}.${toText(key)}`;
      const descriptor = getOwnPropertyDescriptor(value, key);
      if (descriptor === undefined) continue;
      if ("value" in descriptor) add(inner, descriptor.value);
      else {
        add(`${inner}<get>`, descriptor.get);
        add(`${inner}<set>`, descriptor.set);
        add(
          inner,
          attempt(() => (value as Record<PropertyKey, unknown>)[key]),
        );
      }
    }
  } catch (thrown) {
    add(`${path}<thrown>`, thrown);
  }
}

/** Why a value is not of this realm or not plain JavaScript; "" where it is. */
function foreignness(value: object): string {
  try {
    let top = value;
    for (let next = getPrototypeOf(top); next !== null; next = getPrototypeOf(top)) top = next;
    if (top !== value && top !== ObjectPrototype && !isOwnNullObject(top)) return "is of another realm";
    const maker = getOwnPropertyDescriptor(getPrototypeOf(value) ?? value, "constructor")?.value;
    const name = typeof maker === "function" ? getOwnPropertyDescriptor(maker, "name")?.value : "";
    if (typeof name === "string" && test(HOST_TYPES, name)) return `is a host's ${name}`;
  } catch {
    // A proxy of the attack's own.
  }
  return "";
}

/** A chain may end in an object that was made without a prototype; another realm's ends in its Object.prototype. */
function isOwnNullObject(top: object): boolean {
  return getOwnPropertyDescriptor(top, "hasOwnProperty") === undefined;
}

export function attempt<T>(work: () => T): T | unknown {
  try {
    return work();
  } catch (thrown) {
    return thrown;
  }
}

/** What the guest has under these names is its own; the same name must mean the same to whatever a door makes. */
const PROBE = `
  const seen = [];
  for (const name of ["require", "module", "__dirname", "internalBinding", "primordials"]) {
    try { if ((0, eval)("typeof " + name) !== "undefined") seen.push(name); } catch {}
  }
  return seen.join() + "|" + ["process", "Buffer", "global"].map((name) => {
    try { return (0, eval)(name) === own[name] ? "" : name; } catch { return ""; }
  }).filter(Boolean).join();`;

/** What code made by `door.constructor` (and its constructor's) can name of a host. */
export function tryDoors(doors: Record<string, unknown>): string[] {
  const found: string[] = [];
  for (const name of Object.keys(doors)) {
    const door = doors[name] as Anything;
    for (const make of [() => door.constructor, () => door.constructor.constructor, () => door]) {
      try {
        const made = make()("own", PROBE);
        const seen = made(globalThis);
        // Functions of other kinds answer with a promise or an iterator: what they run sees the same.
        const text = typeof seen === "string" && seen !== "|" ? seen : "";
        if (text !== "") found.push(`${name}: ${text}`);
      } catch {
        // Not a maker of functions.
      }
    }
  }
  return found.concat(searchHost(doors));
}
