/** What the NetworkPolicies of a build allow, by Kubernetes' rules: once a policy selects a pod, only what one allows passes. */
import { BlockList, isIPv6 } from "node:net";
import type { Manifest } from "../render.ts";
import { matchesLabels } from "../workloads.ts";

/** The other end: an address, and where it is a pod, its labels and those of its namespace. */
export interface Peer {
  ip: string;
  pod?: Record<string, string>;
  namespace?: Record<string, string>;
}

interface PolicyPeer {
  ipBlock?: { cidr: string; except?: string[] };
  podSelector?: object;
  namespaceSelector?: object;
}

interface Rule {
  from?: PolicyPeer[];
  to?: PolicyPeer[];
  ports?: { protocol?: string; port: number }[];
}

export type Direction = "Ingress" | "Egress";

/** Whether pods with these labels may exchange packets with the peer, which begins it where the direction is Ingress. */
export function isAllowed(
  manifests: readonly Manifest[],
  direction: Direction,
  labels: Record<string, string>,
  peer: Peer,
  port: number,
  protocol = "TCP",
): boolean {
  const policies = policiesOf(manifests, direction, labels);
  if (policies.length === 0) return true;
  return policies.some(({ spec, metadata }) =>
    (spec[direction.toLowerCase()] ?? []).some((rule: Rule) => {
      const peers = direction === "Ingress" ? rule.from : rule.to;
      const isPort =
        rule.ports?.some((each) => each.port === port && (each.protocol ?? "TCP") === protocol) ?? true;
      return isPort && (peers?.some((each) => matchesPeer(each, peer, metadata.namespace ?? "")) ?? true);
    }),
  );
}

/** A pod that no policy selects is open to all. */
export function policiesOf(
  manifests: readonly Manifest[],
  direction: Direction,
  labels: Record<string, string>,
): Manifest[] {
  return manifests.filter(
    ({ kind, spec }) =>
      kind === "NetworkPolicy" &&
      spec.policyTypes.includes(direction) &&
      matchesLabels(spec.podSelector, labels),
  );
}

function matchesPeer(
  { ipBlock, podSelector, namespaceSelector }: PolicyPeer,
  peer: Peer,
  home: string,
): boolean {
  if (ipBlock) {
    return isWithin(peer.ip, ipBlock.cidr) && !(ipBlock.except ?? []).some((cidr) => isWithin(peer.ip, cidr));
  }
  if (!peer.namespace) return false;
  const isInNamespace = namespaceSelector
    ? matchesLabels(namespaceSelector, peer.namespace)
    : peer.namespace["kubernetes.io/metadata.name"] === home;
  return isInNamespace && matchesLabels(podSelector ?? {}, peer.pod ?? {});
}

function isWithin(ip: string, cidr: string): boolean {
  const [network = "", bits] = cidr.split("/");
  if (isIPv6(ip) !== isIPv6(network)) return false;
  const family = isIPv6(ip) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(ip, family);
}
