import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { chooseWorkerAddress } from "./worker-address.ts";

const address = (text: string, internal = false) =>
  ({
    address: text,
    internal,
    family: text.includes(":") ? "IPv6" : "IPv4",
    scopeid: 0,
  }) as NetworkInterfaceInfo;

test("a worker is reached where it listens, or at the machine's first outer address", () => {
  const interfaces = {
    lo: [address("127.0.0.1", true)],
    eth0: [address("fd00::7"), address("10.1.2.3")],
  };
  assert.equal(chooseWorkerAddress("127.0.0.1", 81, interfaces), "127.0.0.1:81");
  assert.equal(chooseWorkerAddress("::1", 81, interfaces), "[::1]:81");
  assert.equal(chooseWorkerAddress("0.0.0.0", 81, interfaces), "10.1.2.3:81");
  assert.equal(chooseWorkerAddress("::", 81, { eth0: [address("fd00::7")] }), "[fd00::7]:81");
  assert.equal(chooseWorkerAddress("0.0.0.0", 81, {}), "127.0.0.1:81");
});
