import assert from "node:assert/strict";
import { test } from "node:test";
import { toBellhop, toCurl } from "./commands.ts";

test("a shell takes the request as it stands", () => {
  assert.match(toCurl("http://a", { name: "it's" }), /"it'\\''s"/);
});

test("the command line's options say what the body says", () => {
  const body = {
    ...{ type: "function", function: "greet", input: { name: "Ada's" }, name: "each morning", key: "greet" },
    schedule: { cron: "0 9 * * 1-5", timezone: "Europe/Rome" },
    ...{ overlap: "wait", catchUp: { policy: "all" }, retry: { maxAttempts: 5 }, queue: "mail" },
  };
  assert.equal(
    toBellhop(body),
    [
      "bellhop tasks create",
      "--function greet",
      `--input '{"name":"Ada'\\''s"}'`,
      "--cron '0 9 * * 1-5'",
      "--timezone Europe/Rome",
      "--name 'each morning'",
      "--key greet",
      "--queue mail",
      "--overlap wait",
      "--catch-up all",
      "--max-attempts 5",
    ].join(" \\\n  "),
  );
});

test("of requests and e-mails too; the default method goes without saying", () => {
  const request = { type: "http", method: "POST", url: "https://a.example/b", body: { a: 1 } };
  assert.equal(
    toBellhop(request).replaceAll(" \\\n ", ""),
    `bellhop tasks create --http https://a.example/b --body '{"a":1}'`,
  );
  const email = { type: "email", to: ["a@b.example", "c@d.example"], subject: "Hi", body: "it is noon" };
  assert.equal(
    toBellhop(email).replaceAll(" \\\n ", ""),
    "bellhop tasks create --email a@b.example --email c@d.example --subject Hi --text 'it is noon'",
  );
});
