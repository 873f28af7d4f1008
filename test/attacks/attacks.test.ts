/** The catalogue of `npm run attacks` as tests: strangers' code at its worst must get an error, or nothing but its own answer. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Arena } from "./arena.ts";
import { CATALOGUE } from "./catalogue/index.ts";
import { FORGERIES, Forge } from "./forged/forgeries.ts";

let starting: Promise<Arena> | undefined;

after(async () => {
  const arena = await starting?.catch(() => undefined);
  await arena?.stop();
});

for (const [family, attacks] of Object.entries(CATALOGUE)) {
  describe(`attacks, ${family}`, () => {
    for (const attack of attacks) {
      it(attack.name, async () => {
        starting ??= Arena.start();
        const { faults } = await (await starting).fight(attack);
        assert.deepEqual(faults, []);
      });
    }
  });
}

describe("attacks, forged frames", () => {
  const forge = new Forge();
  after(() => forge.close());

  for (const forgery of FORGERIES) {
    it(forgery.name, async () => {
      const { faults } = await forge.try(forgery);
      assert.deepEqual(faults, []);
    });
  }
});
