/** The one thing Bellhop asks of Kubernetes' API: annotate a pod of its own namespace, as the pod's service account. */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { Agent } from "undici";
import { BellhopError } from "../../core/errors.ts";

export interface PodApi {
  /** False where there is no such pod: its worker runs elsewhere, or is gone. Rejects with `pod_api_failed`. */
  annotate(pod: string, annotations: Record<string, string>): Promise<boolean>;
  close(): Promise<void>;
}

/** Where Kubernetes mounts the token, the cluster's authority and the namespace. */
const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
const TIMEOUT_MS = 5_000;

/** Throws `no_cluster` where this is no pod, or one without a token. */
export async function openPodApi(
  env: NodeJS.ProcessEnv,
  folder: string = SERVICE_ACCOUNT_FOLDER,
): Promise<PodApi> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (!host)
    throw new BellhopError("no_cluster", 500, "This is not a pod: KUBERNETES_SERVICE_HOST is not set.");
  const [ca, namespace] = await Promise.all([
    readMounted(folder, "ca.crt"),
    readMounted(folder, "namespace"),
  ]);
  const pods = `https://${isIPv6(host) ? `[${host}]` : host}:${port}/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const agent = new Agent({ connect: { ca }, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  return {
    async annotate(pod, annotations) {
      // Read each time: the cluster changes it about once an hour.
      const token = await readMounted(folder, "token");
      const url = new URL(`${pods}/${encodeURIComponent(pod)}`);
      const { statusCode, body } = await agent.request({
        origin: url.origin,
        path: url.pathname,
        method: "PATCH",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/merge-patch+json" },
        body: JSON.stringify({ metadata: { annotations } }),
      });
      await body.dump();
      if (statusCode === 404) return false;
      if (statusCode < 300) return true;
      const hint = statusCode === 401 || statusCode === 403 ? "; may the service account patch pods?" : "";
      throw new BellhopError("pod_api_failed", 502, `The API server answered ${statusCode}${hint}`);
    },
    close: () => agent.close(),
  };
}

/** An empty one counts as missing: without the cluster's authority the system's own would be asked. */
async function readMounted(folder: string, name: string): Promise<string> {
  const text = await readFile(join(folder, name), "utf8").catch(() => "");
  if (text.trim() !== "") return text.trim();
  throw new BellhopError(
    "no_cluster",
    500,
    `There is no ${name} in ${folder}: the pod must mount the token of its service account.`,
  );
}
