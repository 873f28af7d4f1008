/**
 * Judges an object by the official schema of its kind, and refuses what the schema does not know. The schemas are
 * compiled functions that read the fields they know and pass over the rest, so the object is handed to them with an
 * eye on it: a field that was never read is unknown, which is what a typo is. A map is read by its keys; an object of
 * which nothing is read at all is one the schema leaves open.
 */
import { KNATIVE_KAFKA_SCHEMAS } from "./knative-kafka-schemas.ts";
import { type Manifest, nameOf } from "./render.ts";

interface Model {
  prototype: { validate(this: unknown): void };
}

/** Of Kubernetes' own kinds only what is stable: betas and what they replaced are removed in time. */
const STABLE = /^(?:[\w.]+\/)?v\d+$/;
const KUBERNETES = "kubernetes-models";
const PACKAGES = [KUBERNETES, "@kubernetes-models/keda", "@kubernetes-models/knative"];

/** One sentence for each fault; none: it is what its kind may be. */
export async function findSchemaFaults(manifest: Manifest): Promise<string[]> {
  const { apiVersion, kind } = manifest;
  const ours = KNATIVE_KAFKA_SCHEMAS[`${apiVersion}/${kind}`];
  if (ours) {
    const issues = ours.safeParse(manifest).error?.issues ?? [];
    return issues.map(({ path, message }) => `${nameOf(manifest)}: ${path.join(".")}: ${message}`);
  }
  const model = await findModel(apiVersion, kind);
  if (!model) return [`${nameOf(manifest)}: there is no stable ${kind} in ${apiVersion}`];
  const watched = watch(manifest);
  const faults = complaintsOf(model, watched.object);
  return [...faults, ...watched.unread().map((path) => `there is no field ${path}`)].map(
    (fault) => `${nameOf(manifest)}: ${fault}`,
  );
}

async function findModel(apiVersion: string, kind: string): Promise<Model | undefined> {
  for (const from of PACKAGES) {
    const module = await import(`${from}/${apiVersion}/${kind}`).catch(() => undefined);
    if (module && (from !== KUBERNETES || STABLE.test(apiVersion))) return module[kind] as Model;
  }
  return undefined;
}

function complaintsOf(model: Model, object: unknown): string[] {
  try {
    model.prototype.validate.call(object);
    return [];
  } catch (error) {
    return (error as Error).message.split("\n");
  }
}

interface Watched {
  object: unknown;
  /** Paths of what nobody read. */
  unread(): string[];
}

function watch(value: unknown, path = ""): Watched {
  if (typeof value !== "object" || value === null) return { object: value, unread: () => [] };
  const children = new Map<string, Watched>();
  let isRead = false;
  const object = new Proxy(value, {
    get(target, key) {
      const field = Reflect.get(target, key);
      if (typeof key !== "string") return field;
      isRead = true;
      if (!Object.hasOwn(target, key)) return field;
      if (!children.has(key)) children.set(key, watch(field, path === "" ? key : `${path}.${key}`));
      return children.get(key)!.object;
    },
    ownKeys(target) {
      isRead = true;
      return Reflect.ownKeys(target);
    },
  });
  return {
    object,
    unread() {
      if (!isRead) return [];
      return Object.keys(value).flatMap(
        (key) => children.get(key)?.unread() ?? [path === "" ? key : `${path}.${key}`],
      );
    },
  };
}
