/**
 * The table of attempts to get past the guard, as hosts of mail servers and of mail providers: the operator chooses those,
 * also in private networks, and none in one that he has denied.
 */
import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { after, describe, test } from "node:test";
import { operatorsRules, parseNetworks } from "../../core/egress/address-policy.ts";
import type { Resolve } from "../../core/egress/connector.ts";
import { createEgress } from "../../core/egress/egress.ts";
import {
  answersAt,
  HOSTS,
  listUrls,
  OPEN,
  openCanary,
  resolveNames,
} from "../../core/egress/testing/bypass-table.ts";
import { BellhopError } from "../../core/errors.ts";
import { createMailProvider } from "./create-provider.ts";
import { MailError, type MailProvider } from "./mail-provider.ts";
import { MESSAGE } from "./provider.suite.ts";
import { createSmtpProvider } from "./smtp.ts";

/** All that is not public, but for the address that is open. */
const DENIED = parseNetworks(
  [
    ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/31", "127.0.0.128/25", "127.255.0.0/16"],
    ...["168.63.129.16", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16"],
    ...["224.0.0.0/3", "::/127", "100::/64", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"],
  ].join(),
);

const canary = await openCanary();
const { port, reached } = canary;

/** What the system takes for an address, in whatever spelling, is one; no name is looked for elsewhere. */
const resolve: Resolve = async (hostname) => {
  const known = await resolveNames(hostname);
  if (known.length > 0 || !/^[\dxa-f.]+$/i.test(hostname)) return known;
  return await lookup(hostname, { all: true }).catch(() => []);
};

const egress = createEgress({ allow: [], deny: DENIED, resolve });
after(() => egress.close());

/** What became of a message. Throws what is wrong with the setting. */
async function fateOf(provider: MailProvider): Promise<string> {
  const sending = new AbortController();
  // The canary greets nobody.
  canary.onConnection = () => provider.name === "smtp" && sending.abort();
  try {
    await provider.send(MESSAGE, sending.signal);
    return "sent";
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    return /not reached/.test(error.message) ? "refused" : `answered (${error.message})`;
  } finally {
    await provider.close();
  }
}

const WAYS: Record<string, { open(place: string): MailProvider; openPlace: string; places(): string[] }> = {
  "a mail server": {
    open: (host) => createSmtpProvider(`smtp://${host}:${port}`, { rules: operatorsRules(DENIED), resolve }),
    openPlace: OPEN,
    places: () => Object.values(HOSTS).flat(),
  },
  "a mail provider": {
    open: (url) => createMailProvider(`resend://KEY?endpoint=${encodeURIComponent(url)}`, { egress }),
    openPlace: `http://${OPEN}:PORT`,
    // The port that is another protocol's is the operator's to choose.
    places: () =>
      listUrls(port).filter((url) => !/127\.0\.0\.2:\d{1,5}\/$/.test(url) || url.includes(`:${port}/`)),
  },
};

const skip = (await answersAt(OPEN)) ? false : `${OPEN} does not answer on this machine`;

describe("attempts to get past the guard by mail", { skip }, () => {
  for (const [way, { open, openPlace, places }] of Object.entries(WAYS)) {
    test(`nothing gets past as the host of ${way}`, async () => {
      assert.notEqual(await fateOf(open(openPlace.replace("PORT", `${port}`))), "refused");
      assert.deepEqual(reached, []);
      const tried = places();
      assert.ok(tried.length > 60, `${tried.length} attempts`);
      for (const place of tried) {
        const fate = await (async () => await fateOf(open(place)))().catch((error: unknown) => {
          assert.ok(error instanceof BellhopError && error.code === "invalid_setting", `${place}: ${error}`);
          return "refused";
        });
        assert.equal(fate, "refused", place);
      }
      assert.deepEqual(reached, []);
    });
  }

  test("a redirect of a mail provider is not followed", async () => {
    canary.redirectTo = `http://127.0.0.1:${port}/`;
    assert.match(await fateOf(WAYS["a mail provider"]!.open(`http://${OPEN}:${port}/redirect?`)), /307/);
    assert.deepEqual(reached, []);
  });

  test("a mail server whose name leads elsewhere the next time is looked at the next time", async () => {
    const left = [OPEN, "127.0.0.1", "::1", "::ffff:127.0.0.1"];
    const turning: Resolve = async () => {
      const address = left.shift()!;
      return [{ address, family: address.includes(":") ? 6 : 4 }];
    };
    const options = { rules: operatorsRules(DENIED), resolve: turning };
    for (const isOpen of [true, false, false, false]) {
      const fate = await fateOf(createSmtpProvider(`smtp://turning.test:${port}`, options));
      assert.equal(fate !== "refused", isOpen);
    }
    assert.deepEqual(reached, []);
  });

  test("an operator's mail server may stand in a private network that is not denied", async () => {
    const fate = await fateOf(createSmtpProvider(`smtp://127.0.0.1:${port}`));
    assert.notEqual(fate, "refused");
    assert.deepEqual(reached.splice(0), ["127.0.0.1"]);
  });
});
