/** Where an operator lets the requests of a namespace's tasks and functions go, besides what holds for the installation. */
export interface NamespaceEgress {
  /** Networks that are open to it besides the public ones: `10.2.0.0/16`, `10.2.0.1`. */
  allow: string[];
  /** Networks that are closed to it, whatever else opens them. */
  deny: string[];
  /** The only names that it may call: `api.example.com`, or `*.example.com` for all below it; null: any. */
  hosts: string[] | null;
}

export const ANY_EGRESS: NamespaceEgress = { allow: [], deny: [], hosts: null };

/** `hostname` as `URL` has it. An address is no name. */
export function isHostNamed(hostname: string, hosts: readonly string[]): boolean {
  // One dot at the end says that the name is whole.
  const name = hostname.replace(/\.$/, "");
  return hosts.some((host) => (host.startsWith("*.") ? name.endsWith(host.slice(1)) : name === host));
}
