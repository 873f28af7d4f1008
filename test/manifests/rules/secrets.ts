/** Secrets stand in Secrets, and Secrets stand in no build but that of the examples. */
import { type Manifest, nameOf } from "../render.ts";
import { listWorkloads } from "../workloads.ts";

const SECRET_NAME = /PASSWORD|TOKEN|SECRET|_KEY$|^DATABASE_(DIRECT_)?URL$|^EMAIL_URL$/;
const URL_WITH_PASSWORD = /:\/\/[^/\s:@]*:[^/\s@]+@/;

/** @param mayHoldSecrets true for what is meant to be tried out, with secrets that are examples */
export function findSecretFaults(manifests: readonly Manifest[], mayHoldSecrets: boolean): string[] {
  const secrets = manifests.filter(({ kind }) => kind === "Secret").map(nameOf);
  const inPlain = listWorkloads(manifests).flatMap(({ name, spec }) =>
    spec.containers.flatMap(({ env = [] }) =>
      env
        .filter(({ value }) => value !== undefined)
        .filter((each) => SECRET_NAME.test(each.name) || URL_WITH_PASSWORD.test(each.value!))
        .map((each) => `${name}: ${each.name} stands in plain text`),
    ),
  );
  const inMaps = manifests
    .filter(({ kind }) => kind === "ConfigMap")
    .flatMap((map) =>
      Object.entries((map["data"] ?? {}) as Record<string, string>)
        .filter(([key, value]) => SECRET_NAME.test(key) || URL_WITH_PASSWORD.test(value))
        .map(([key]) => `${nameOf(map)}: ${key} stands in plain text`),
    );
  return [
    ...(mayHoldSecrets ? [] : secrets.map((name) => `${name} is part of the manifests`)),
    ...inPlain,
    ...inMaps,
  ];
}
