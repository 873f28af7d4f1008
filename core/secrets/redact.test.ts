import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRedactor, NOTHING_TO_REDACT } from "./redact.ts";

const TOKEN = 'tök"en/with+odd chars\\&%=1234';
const of = (secrets: Record<string, string>) => createRedactor(Object.entries(secrets));
const base64 = (text: string, form: BufferEncoding = "base64") => Buffer.from(text).toString(form);

describe("the redactor", () => {
  test("hides a secret in every form that texts of a run have", () => {
    const { text } = of({ TOKEN });
    const forms = [
      TOKEN,
      JSON.stringify({ a: { b: TOKEN } }),
      JSON.stringify(JSON.stringify([TOKEN])),
      encodeURIComponent(TOKEN),
      encodeURIComponent(TOKEN).toLowerCase(),
      new URLSearchParams({ TOKEN }).toString(),
      base64(TOKEN, "hex"),
      base64(TOKEN, "hex").toUpperCase(),
    ];
    for (const form of forms) {
      const redacted = text(`before ${form} after`);
      assert.match(redacted, /^before .*\[redacted TOKEN\].* after$/, form);
      assert.doesNotMatch(redacted, /with|1234|31323334/, form);
    }
    for (const before of ["", "a", "ab", "abc"]) {
      for (const form of ["base64", "base64url"] as const) {
        const redacted = text(base64(`${before}${TOKEN}${"z".repeat(5)}`, form));
        assert.match(redacted, /\[redacted TOKEN\]/);
        assert.ok(redacted.length < 40, redacted);
      }
    }
    assert.equal(text("nothing of it here, not even tök"), "nothing of it here, not even tök");
  });

  test("hides a secret in a host, which is written in small letters and as Punycode", () => {
    const { host } = of({ TOKEN: "Geheim-Wört", KEY: "AbCdEf" });
    const parsed = (url: string) => host(new URL(url).host);
    assert.equal(parsed("https://x-AbCdEf.example:8080/"), "x-[redacted KEY].example:8080");
    assert.equal(parsed("https://a.Geheim-Wört.example:8080/"), "a.[redacted TOKEN].example:8080");
    assert.equal(parsed(`https://${base64("AbCdEf", "hex")}.example/`), "[redacted KEY].example");
    assert.equal(
      parsed("https://AbCdEf.Geheim-Wört.wörter.example:1/"),
      "[redacted KEY].[redacted TOKEN].xn--wrter-jua.example:1",
    );
    for (const url of ["https://www.example.com/", "https://wörter.example:1/", "https://[::1]:80/"])
      assert.equal(parsed(url), new URL(url).host);
  });

  test("hides a host, and an address, as a URL writes it", () => {
    const { text } = of({
      ...{
        TENANT: "Acme-7Qx",
        WORT: "Geheim-Wört",
        SIX: "2001:0DB8::00A1",
        HOOK: "HTTPS://Hooks.Example:443/T/AbC",
      },
      ...{ PORTED: "Db-Main.Internal:80", SENTENCE: "Not A Host" },
    });
    const logged = (url: string) => {
      const { host, href } = new URL(url);
      return text(`${host} ${href}`);
    };
    assert.equal(
      logged("https://Acme-7Qx.example:8080/AcMe"),
      "[redacted TENANT].example:8080 https://[redacted TENANT].example:8080/AcMe",
    );
    assert.equal(
      logged("http://a.Geheim-Wört.example/"),
      "a.[redacted WORT].example http://a.[redacted WORT].example/",
    );
    assert.equal(logged("http://[2001:0DB8::00A1]/"), "[[redacted SIX]] http://[[redacted SIX]]/");
    assert.match(logged("HTTPS://Hooks.Example:443/T/AbC"), /^hooks\.example \[redacted HOOK\]$/);
    assert.equal(logged("http://Db-Main.Internal:80/"), "[redacted PORTED] http://[redacted PORTED]/");
    assert.equal(text("not a host"), "not a host", "what cannot be one is as it was written");
  });

  test("hides a number as the address that a URL makes of it", () => {
    const { host, text } = of({ NUMBER: "2130706433", HEX: "0x7f000002", SHORT: "127", DOTTED: "127.3" });
    const parsed = (url: string) => host(new URL(url).host);
    assert.equal(parsed("http://2130706433:81/"), "[redacted NUMBER]:81");
    assert.equal(parsed("http://0x7f000002/"), "[redacted HEX]");
    assert.equal(text("connect to 127.0.0.1 refused"), "connect to [redacted NUMBER] refused");
    assert.equal(text("127.0.0.3"), "[redacted DOTTED]");
    assert.equal(text("0.0.0.127"), "0.0.0.127", "what is that short is no secret");
  });

  test("goes through values however deep: strings, keys and numbers", () => {
    const { value } = of({ PIN: "987654", TOKEN });
    const seen = value({
      [`k${TOKEN}`]: [{ deep: `x${TOKEN}y` }],
      pin: 1_987_654,
      ok: 12,
      no: null,
      t: true,
    });
    assert.deepEqual(seen, {
      "k[redacted TOKEN]": [{ deep: "x[redacted TOKEN]y" }],
      pin: "1[redacted PIN]",
      ok: 12,
      no: null,
      t: true,
    });
    let nested: never = TOKEN as never;
    for (let i = 0; i < 5_000; i++) nested = [nested] as never;
    assert.doesNotMatch(JSON.stringify(value(nested)), /with/);
  });

  test("the longest wins, and what overlaps goes as a whole", () => {
    const { text } = of({ SHORT: "abcdef", LONG: "abcdefghij", TAIL: "ghijklmnop" });
    assert.equal(text("-abcdefghij-"), "-[redacted LONG]-");
    assert.equal(text("-abcdef-"), "-[redacted SHORT]-");
    assert.equal(text("-abcdefghijklmnop-"), "-[redacted LONG]-");
    assert.equal(text("abcdefabcdef"), "[redacted SHORT][redacted SHORT]");
  });

  test("lines of a secret of several are hidden one by one", () => {
    const { text } = of({ KEY: "-----BEGIN KEY-----\nMIIEvQIBADANBg\r\nshort\nkqhkiG9w0BAQEF\n" });
    assert.equal(text("a MIIEvQIBADANBg b kqhkiG9w0BAQEF short"), "a [redacted KEY] b [redacted KEY] short");
  });

  test("a text that was cut does not end in the beginning of a secret", () => {
    const secret = "correct-horse-battery";
    const { text } = of({ PASS: secret });
    assert.equal(
      text("x correct-ho… (cut, 9000 characters in all)"),
      "x [redacted PASS]… (cut, 9000 characters in all)",
    );
    assert.equal(text("x correct-horse…"), "x [redacted PASS]…");
    assert.equal(text("x correct-horse"), "x correct-horse", "it was not cut");
    assert.equal(text('{"a":"x correct-ho…"} and more'), '{"a":"x [redacted PASS]…"} and more', "a part");
    const long = "y".repeat(3_000);
    assert.equal(text(`${long}corr`), `${long}[redacted PASS]`);
    assert.equal(text(`${long}cor`), `${long}cor`);
  });

  test("a text that is made to be slow to search is given up as a whole, soon", () => {
    const { text } = of({ A: "a".repeat(30_000) });
    const before = process.cpuUsage();
    const redacted = text(`${"a".repeat(29_999)}b`.repeat(30));
    assert.match(redacted, /could not be searched/);
    assert.ok(process.cpuUsage(before).user < 2_000_000);
  });

  test("there is none where nothing is to hide", () => {
    assert.equal(of({}), NOTHING_TO_REDACT);
  });
});
