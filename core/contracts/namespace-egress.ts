/** Where requests of a namespace may go, on the wire. */
import { z } from "zod";
import type { NamespaceEgress } from "../domain/namespace-egress.ts";

export const MAX_EGRESS_RULES = 100;

const aNetwork = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);
const networkField = z
  .string()
  .max(50)
  .refine(
    // zod reads 1e1 and 0.5 as lengths of a prefix.
    (text) => aNetwork.safeParse(text).success && /^[^/]+(\/\d{1,3})?$/.test(text),
    "must be an IP address or a network such as 10.0.0.0/8",
  );

const LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
const hostField = z
  .string()
  .max(253)
  // An address would end in a number.
  .regex(
    new RegExp(`^(\\*\\.)?(${LABEL}\\.)*(?=[^.]*[a-z_-])${LABEL}$`),
    "must be a host's name in lower case, such as api.example.com, or *.example.com for all below it",
  );

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.array(item).max(MAX_EGRESS_RULES, `takes at most ${MAX_EGRESS_RULES} entries`);

const networksField = (description: string) =>
  listOf(networkField)
    .default([])
    .meta({ description, examples: [["10.2.0.0/16"]] });

const EXAMPLE: NamespaceEgress = {
  allow: ["10.2.0.0/16"],
  deny: ["10.2.7.0/24"],
  hosts: ["api.example.com", "*.internal.example.com"],
};

/** The body of `PUT /v1/namespaces/{name}/egress`. What is left out restricts nothing and opens nothing. */
export const namespaceEgressInput = z
  .strictObject({
    allow: networksField("Networks that are open to the namespace in addition to those of the installation."),
    deny: networksField("Networks that are closed to it, whatever else opens them."),
    hosts: listOf(hostField).nullable().default(null).meta({
      description:
        "The only hosts that it may call, by name; with `*.` in front, all subdomains of that name. An address is not a name. Null: any host.",
    }),
  })
  .meta({ examples: [EXAMPLE] });

export const namespaceEgressOutput = z
  .object({ allow: z.array(z.string()), deny: z.array(z.string()), hosts: z.array(z.string()).nullable() })
  .meta({ id: "NamespaceEgress", examples: [EXAMPLE] });
