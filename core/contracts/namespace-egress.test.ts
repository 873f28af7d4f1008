import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetworks } from "../egress/address-policy.ts";
import { namespaceEgressInput } from "./namespace-egress.ts";

const accepts = (field: string, item: string) => namespaceEgressInput.safeParse({ [field]: [item] }).success;

test("a network that is taken is one that the guard can read", () => {
  const taken = [
    ...["10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "255.255.255.255/32", "::1", "::/0", "fd00:ec2::/32"],
    ...["2001:db8::1", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "64:ff9b::/96", "FD00::/8"],
  ];
  const refused = [
    ...["", " ", "10", "10.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/8, ::1"],
    ...[
      "010.0.0.1",
      "0x7f.0.0.1",
      "[::1]",
      "::1%eth0",
      "::/129",
      "::/0.5",
      "::1/1e-7",
      "::/1e1",
      "example.com",
      "10.0.0.0/8\n",
      ":::1",
    ],
  ];
  for (const network of taken) {
    assert.ok(accepts("allow", network) && accepts("deny", network), network);
    assert.equal(parseNetworks(network).length, 1);
  }
  for (const network of refused) assert.ok(!accepts("allow", network), JSON.stringify(network));
});

test("a host is a name in lower case, or all below one", () => {
  for (const host of [
    "api.example.com",
    "*.example.com",
    "localhost",
    "xn--bcher-kva.example",
    "_a.b",
    "1.a",
  ])
    assert.ok(accepts("hosts", host), host);
  for (const host of [
    ...["", "*", "*.", "API.example.com", "example.com.", ".example.com", "a..b", "-a.com", "a-.com"],
    ...["127.0.0.1", "1", "a.1", "*.1.2.3.4", "[::1]", "bücher.example", "a b", "a/b", "a:80", "http://a"],
    ...["a.*.b", "*a.com", `${"a".repeat(64)}.com`, "a.com\n"],
  ])
    assert.ok(!accepts("hosts", host), JSON.stringify(host));
});

test("no more than a hundred of each", () => {
  const items = (count: number) => Array.from({ length: count }, (_, at) => `10.0.0.${at}`);
  assert.ok(namespaceEgressInput.safeParse({ allow: items(100), deny: items(100) }).success);
  assert.ok(!namespaceEgressInput.safeParse({ allow: items(101) }).success);
  assert.deepEqual(namespaceEgressInput.parse({}), { allow: [], deny: [], hosts: null });
});
