/**
 * The table of attempts to get past the guard, tried in each way in which a request over HTTP leaves: gathered (http tasks,
 * callbacks) and streamed (fetch), at once and after a redirect, with loopback closed, with loopback allowed and its
 * address denied, and with the networks allowed that carry IPv4 inside IPv6. Mail has its own: runtime/email/bypass.test.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseNetworks } from "./address-policy.ts";
import type { Resolve } from "./connector.ts";
import { createEgress, type Egress, type EgressOptions } from "./egress.ts";
import { EgressError } from "./egress-error.ts";
import { answersAt, listUrls, OPEN, openCanary, resolveNames } from "./testing/bypass-table.ts";

type Send = (egress: Egress, url: string) => Promise<unknown>;

const TENANT = "one";
const common = (url: string) => ({
  ...{ url, method: "GET", tenant: TENANT, signal: new AbortController().signal },
});

const WAYS: Record<string, Send> = {
  gathered: (egress, url) =>
    egress.request({ ...common(url), headers: {}, followRedirects: true, maxResponseBytes: 1_024 }),
  streamed: async (egress, url) => {
    const { body } = await egress.stream({ ...common(url), headers: {}, redirect: "follow" });
    for await (const _ of body ?? []);
  },
};

const RULES: Record<string, Pick<EgressOptions, "allow" | "deny" | "tenantRules">> = {
  "loopback closed but for one address": { allow: parseNetworks(OPEN) },
  "loopback allowed, and denied but for one address": {
    allow: parseNetworks("0.0.0.0/8, 127.0.0.0/8, ::/127"),
    deny: parseNetworks("0.0.0.0/8, 127.0.0.0/31, 127.0.0.128/25, 127.255.0.0/16, ::/127"),
  },
  "what carries IPv4 inside IPv6 allowed, and the IPv4 denied": {
    allow: parseNetworks(
      `${OPEN}, 64:ff9b::/96, 64:ff9b:1::/48, 2002::/16, 2001::/32, ::/96, ::ffff:0:0:0/96`,
    ),
    deny: parseNetworks("0.0.0.0/8, 10.0.0.0/8, 127.0.0.0/31, 169.254.0.0/16, ::/127"),
  },
  "loopback allowed, and denied to the tenant but for one address": {
    allow: parseNetworks("0.0.0.0/8, 127.0.0.0/8, ::/127"),
    tenantRules: async () => ({
      ...{ allow: [], hosts: null },
      deny: parseNetworks("0.0.0.0/8, 127.0.0.0/31, 127.0.0.128/25, 127.255.0.0/16, ::/127"),
    }),
  },
};

const REFUSALS = new Set(["egress_blocked", "port_blocked", "invalid_request", "bad_redirect", "dns_failed"]);

async function refusalOf(sending: Promise<unknown>): Promise<string> {
  const thrown = await sending.then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown instanceof EgressError ? thrown.code : `answered (${String(thrown)})`;
}

const canary = await openCanary();
const { port, reached } = canary;
const skip = (await answersAt(OPEN)) ? false : `${OPEN} does not answer on this machine`;

describe("attempts to get past the guard", { skip }, () => {
  for (const [named, rules] of Object.entries(RULES))
    for (const [way, send] of Object.entries(WAYS))
      test(`nothing gets past, ${way}, with ${named}`, async () => {
        const egress = createEgress({ ...rules, resolve: resolveNames });
        try {
          await send(egress, `http://open.test:${port}/`);
          const tried = listUrls(port);
          assert.ok(tried.length > 100, `${tried.length} attempts`);
          for (const url of tried) {
            const refusal = await refusalOf(send(egress, url));
            assert.ok(REFUSALS.has(refusal), `${url} at once: ${refusal}`);
            // A location that names no host stays where it is, and is a path there.
            if (/^[\s\p{Cc}]*http:[/\\]{2}/iu.test(url)) {
              canary.redirectTo = encodeURI(url.trim()).replaceAll(
                /%(?:25)?(5B|5D|23|5C|25)/gi,
                (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)),
              );
              const later = await refusalOf(send(egress, `http://${OPEN}:${port}/redirect`));
              assert.ok(REFUSALS.has(later), `${url} after a redirect: ${later}`);
            }
          }
          assert.deepEqual(reached, []);
        } finally {
          await egress.close();
        }
      });

  test("a name that leads elsewhere the next time is looked at the next time", async () => {
    const answers = [OPEN, "127.0.0.1", "::1", "::ffff:127.0.0.1"];
    for (const [way, send] of Object.entries(WAYS)) {
      const left = [...answers];
      const turning: Resolve = async () => {
        const address = left.shift()!;
        return [{ address, family: address.includes(":") ? 6 : 4 }];
      };
      for (const [index] of answers.entries()) {
        // Another one each time: a kept connection stays where it was opened.
        const egress = createEgress({ allow: parseNetworks(OPEN), resolve: turning });
        const refusal = await refusalOf(send(egress, `http://turning.test:${port}/`));
        assert.equal(refusal, index === 0 ? "answered (undefined)" : "egress_blocked", way);
        await egress.close();
      }
    }
    assert.deepEqual(reached, []);
  });
});
