/** Renders an overlay with the real kustomize into plain objects. */
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { type Kustomize, provideKustomize } from "../tools/kustomize.ts";

/** A Kubernetes object, as much of it as every kind has. The rest is looked at by paths. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own; the schemas say which.
  [field: string]: any;
}

export const MANIFESTS = join(import.meta.dirname, "..", "..", "manifests");
export const BUILDS = ["base", "overlays/keda", "overlays/knative", "overlays/knative-keda", "overlays/dev"];

/** Every build by its folder, or why there are none. */
export async function renderAll(): Promise<Map<string, Manifest[]> | { skip: string }> {
  const kustomize = await provideKustomize();
  if ("skip" in kustomize) return kustomize;
  const rendered = BUILDS.map(async (build) => [build, await render(kustomize, build)] as const);
  return new Map(await Promise.all(rendered));
}

async function render(kustomize: Kustomize, build: string): Promise<Manifest[]> {
  return parseManifests(await kustomize.build(join(MANIFESTS, build)));
}

/** Throws where a document is no YAML, or says a key twice. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** How a complaint names an object. */
export function nameOf({ kind, metadata }: Manifest): string {
  return `${kind} ${metadata.name}`;
}
