/** Signing in to the console at a real OpenID provider, in a real browser against real roles. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { freePorts } from "../support/free-ports.ts";
import { type OpenIdProvider, startOpenIdProvider } from "../support/oidc-provider.ts";
import { findChromium, type OpenConsole, openConsole } from "./open-console.ts";

const { program, skip } = await findChromium();

describe("signing in at an OpenID provider", { skip, timeout: 600_000 }, () => {
  let console: OpenConsole;
  let provider: OpenIdProvider;
  let url: string;
  before(async () => {
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    provider = await startOpenIdProvider({ id: "console", redirectUri: `${url}/console/sign-in` });
    console = await openConsole(program);
    await console.cluster.startApi({
      ...{ PORT: String(port), BELLHOP_PUBLIC_URL: url, OIDC_ISSUER: provider.url },
      ...{ OIDC_CLIENT_ID: "console", OIDC_CLIENT_SCOPES: "openid groups", OIDC_PROVIDER_NAME: "Acme" },
      OIDC_GRANTS: JSON.stringify([{ claims: { groups: "ann" }, scopes: ["operator"] }]),
    });
  });
  after(async () => {
    await console?.close();
    await provider?.close();
  });

  const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });
  const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
  const stored = (page: Page, name: string) =>
    page.evaluate<string | null>(`sessionStorage.getItem("${name}")`);

  /** Other than requests to this console and to the provider, which the tab visits. */
  const complaints = () =>
    console.takeComplaints().filter((told) => !told.includes(url) && !told.includes(provider.url));

  async function tellProvider(page: Page, name: string): Promise<void> {
    await page.getByLabel("Name").fill(name);
    await button(page, "Continue").click();
  }

  it("signs in, shows who that is, keeps the token in this tab alone, and signs out", async () => {
    const page = await console.openTab();
    const visited: string[] = [];
    page.on("framenavigated", (frame) => visited.push(frame.url()));
    await page.goto(`${url}/console`);
    await button(page, "Sign in with Acme").click();
    await tellProvider(page, "ann");
    await heading(page, "Overview").waitFor();
    await page.getByText("Signed in as ann").waitFor();
    const token = await stored(page, "bellhop.key");
    assert.match(token ?? "", /^ey[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.equal(await stored(page, "bellhop.oidc"), null);
    assert.ok(!(await page.evaluate<string>("JSON.stringify(localStorage)")).includes(token!));
    assert.ok(!visited.some((each) => each.includes(token!)), "the token is in no address");
    assert.equal(new URL(page.url()).search, "");
    // The address with the code is not among those that Back leads to.
    await page.reload();
    await heading(page, "Overview").waitFor();
    await button(page, "Sign out").click();
    await button(page, "Sign in with Acme").waitFor();
    assert.equal(await stored(page, "bellhop.key"), null);
    assert.deepEqual(complaints(), []);
  });

  it("leads back to the sign-in where the token has expired, and from there to where one was", async () => {
    const page = await console.openTab();
    const place = `${url}/console/@default/runs?state=failed`;
    await page.goto(place);
    const expired = await provider.sign({ groups: ["ann"], exp: Math.floor(Date.now() / 1_000) - 60 });
    await page.evaluate(`sessionStorage.setItem("bellhop.key", "${expired}")`);
    await page.reload();
    await page.getByText("The token has expired.").waitFor();
    assert.equal(page.url(), place);
    await button(page, "Sign in with Acme").click();
    await tellProvider(page, "ann");
    await heading(page, "Runs").waitFor();
    assert.equal(page.url(), place);
    assert.deepEqual(complaints(), []);
  });

  it("says so where the provider refuses, where nothing is granted, and where another tab began", async () => {
    const page = await console.openTab();
    await page.goto(`${url}/console`);
    await button(page, "Sign in with Acme").click();
    await button(page, "No").click();
    await page.getByText("The OpenID provider refuses the sign-in: access_denied.").waitFor();
    await button(page, "Sign in with Acme").click();
    await tellProvider(page, "bob");
    await page.getByText("The token is valid, but none of its claims grant access here").waitFor();
    assert.equal(await stored(page, "bellhop.key"), null);
    await page.goto(`${url}/console/sign-in?code=stolen&state=made-up`);
    await page.getByText("The sign-in did not begin in this tab").waitFor();
    assert.equal(new URL(page.url()).search, "");
    assert.deepEqual(complaints(), []);
  });
});
