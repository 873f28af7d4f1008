import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BellhopError } from "../errors.ts";
import { isAddressAllowed, type Network, parseNetworks } from "./address-policy.ts";

const only = (allow: Network[]) => ({ allow, deny: [] });

const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "93.184.216.34",
  "2606:4700:4700::1111",
  "2a00:1450:4001::1",
  "::ffff:8.8.8.8",
];

const REFUSED: Record<string, string[]> = {
  unspecified: ["0.0.0.0", "0.1.2.3", "::"],
  loopback: ["127.0.0.1", "127.255.255.254", "::1"],
  private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
  "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0", "fec0::1"],
  metadata: ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
  "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
  "multicast and broadcast": ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"],
  "reserved, documentation, benchmarking": [
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "2001:db8::1",
    "2001:2::1",
    "3fff::1",
    "100::1",
    "4000::1",
  ],
  "NAT64, 6to4, Teredo": [
    "64:ff9b::a00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "2002:a00:1::1",
    "2001:0:4136:e378::1",
  ],
  "IPv4 inside IPv6": [
    "::ffff:127.0.0.1",
    "::ffff:a00:1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
  ],
  "no address": ["", "localhost", "[::1]", "127.1", "2130706433", "0x7f.0.0.1", "1.2.3.4/8"],
};

/** Forms of IPv6 that carry an IPv4 address: once 10.1.0.1, once 10.2.0.1. */
const CARRIED: Record<string, [denied: string, open: string]> = {
  "IPv4-compatible": ["::10.1.0.1", "::10.2.0.1"],
  "IPv4-translated": ["::ffff:0:a01:1", "::ffff:0:a02:1"],
  NAT64: ["64:ff9b::a01:1", "64:ff9b::a02:1"],
  "local NAT64": ["64:ff9b:1::a01:1", "64:ff9b:1::a02:1"],
  "6to4": ["2002:a01:1::1", "2002:a02:1::1"],
  "a Teredo server": ["2001:0:a01:1::1", "2001:0:a02:1::1"],
  "a Teredo client": ["2001:0:102:304::f5fe:fffe", "2001:0:102:304::f5fd:fffe"],
};

describe("isAddressAllowed", () => {
  it("lets public unicast pass", () => {
    for (const ip of PUBLIC) assert.equal(isAddressAllowed(ip, only([])), true, ip);
  });

  for (const [what, ips] of Object.entries(REFUSED)) {
    it(`refuses ${what}`, () => {
      for (const ip of ips) assert.equal(isAddressAllowed(ip, only([])), false, ip);
    });
  }

  it("lets allowed networks pass, and no more than these", () => {
    const allow = parseNetworks("127.0.0.1, 10.1.0.0/16,fd00::/8,64:ff9b::/96");
    for (const ip of ["127.0.0.1", "10.1.255.1", "fd12::1", "64:ff9b::a00:1"])
      assert.equal(isAddressAllowed(ip, only(allow)), true, ip);
    for (const ip of ["127.0.0.2", "10.2.0.1", "fc00::1", "::1"])
      assert.equal(isAddressAllowed(ip, only(allow)), false, ip);
  });

  it("takes the mapped form of an IPv4 address for that address, on either side", () => {
    assert.equal(isAddressAllowed("::ffff:10.1.2.3", only(parseNetworks("10.0.0.0/8"))), true);
    assert.equal(isAddressAllowed("10.1.2.3", only(parseNetworks("::ffff:10.0.0.0/104"))), true);
    assert.equal(isAddressAllowed("172.16.0.1", only(parseNetworks("::ffff:10.0.0.0/104"))), false);
    assert.equal(
      isAddressAllowed("::ffff:10.1.2.3", only(parseNetworks("::/0"))),
      false,
      "an IPv6 network holds no IPv4 address",
    );
  });
});

describe("denied networks", () => {
  const deny = parseNetworks("8.8.0.0/16, 10.1.0.0/16, 2606:4700::/32");

  it("are closed, whether they are public or allowed, in every form of their addresses", () => {
    const rules = { allow: parseNetworks("10.0.0.0/8"), deny };
    for (const ip of ["8.8.8.8", "::ffff:8.8.8.8", "10.1.2.3", "::ffff:a01:203", "2606:4700:4700::1111"])
      assert.equal(isAddressAllowed(ip, rules), false, ip);
    for (const ip of ["8.9.8.8", "10.2.0.1", "2606:4701::1"])
      assert.equal(isAddressAllowed(ip, rules), true, ip);
  });

  it("are closed inside of IPv6 too, where the network that carries IPv4 is allowed", () => {
    const carriers = parseNetworks(
      "64:ff9b::/96, 64:ff9b:1::/48, 2002::/16, 2001::/32, ::/96, ::ffff:0:0:0/96",
    );
    const rules = { allow: carriers, deny };
    for (const [what, [denied, open]] of Object.entries(CARRIED)) {
      assert.equal(isAddressAllowed(denied, rules), false, `${what}: ${denied}`);
      assert.equal(isAddressAllowed(open, rules), true, `${what}: ${open}`);
    }
  });

  it("of IPv4 leave `::1` open, which carries no IPv4 address", () => {
    assert.equal(
      isAddressAllowed("::1", { allow: parseNetworks("::1"), deny: parseNetworks("0.0.0.0/0") }),
      true,
    );
  });

  it("may be all there are, but for what is not in them", () => {
    const rules = { allow: [], deny: parseNetworks("0.0.0.0/0, ::/0") };
    for (const ip of PUBLIC) assert.equal(isAddressAllowed(ip, rules), false, ip);
  });
});

describe("parseNetworks", () => {
  it("names the setting", () => {
    assert.throws(
      () => parseNetworks("nowhere", "EGRESS_DENY"),
      /^BellhopError: EGRESS_DENY holds "nowhere"|EGRESS_DENY holds/,
    );
  });

  it("takes an empty setting for no network", () => {
    assert.deepEqual(parseNetworks(" , "), []);
  });

  for (const bad of [
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0/8",
    "localhost",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "127.1",
    "010.0.0.1",
  ]) {
    it(`names ${bad} as the part that is wrong`, () => {
      assert.throws(
        () => parseNetworks(`127.0.0.1,${bad}`),
        (error) =>
          error instanceof BellhopError &&
          error.code === "invalid_setting" &&
          error.message.includes(JSON.stringify(bad)),
      );
    });
  }
});
