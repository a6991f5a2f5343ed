// What counts as one sender.
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainAddress, senderOf } from "../../src/tls/remote-address.ts";

test("an IPv4 address counts alone, however it is written", () => {
  assert.equal(senderOf("192.0.2.1"), "192.0.2.1");
  assert.equal(senderOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(plainAddress("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(plainAddress("2001:db8::1"), "2001:db8::1");
});

test("an IPv6 address counts with its whole network of 64 bits", () => {
  for (const [address, sender] of [
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["2001:db8::3:4:5:6:7", "2001:db8:0:3::/64"],
    ["::1", "0:0:0:0::/64"],
    ["1::", "1:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ] as const) {
    assert.equal(senderOf(address), sender);
  }
  assert.notEqual(senderOf("2001:db8:1:2::1"), senderOf("2001:db8:1:3::1"));
});
