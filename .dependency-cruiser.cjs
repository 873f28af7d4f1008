// The import arrows of docs/architecture.md: core <- functions <- api, runtime; core <- scheduler; standalone -> all.
const role = (name) => `^${name}/`;
const forbid = (name, from, to, comment) => ({ name, severity: "error", comment, from, to });

module.exports = {
  forbidden: [
    forbid("no-circles", {}, { circular: true }, "A circle hides who depends on whom."),
    forbid(
      "core-stands-alone",
      { path: role("core") },
      { path: "^(api|scheduler|runtime|functions|standalone|test|bench)/", pathNot: "^test/support/" },
      "core knows no role.",
    ),
    forbid(
      "core-tests-only",
      { path: role("core"), pathNot: "\\.(test|suite)\\.ts$" },
      { path: role("test") },
      "Only tests use the test support.",
    ),
    forbid(
      "functions-on-core",
      { path: role("functions") },
      { path: "^(api|scheduler|runtime|standalone)/" },
      "functions builds on core alone.",
    ),
    forbid(
      "api-meets-no-role",
      { path: role("api") },
      { path: "^(scheduler|runtime|standalone)/" },
      "Roles meet in rows and messages.",
    ),
    forbid(
      "scheduler-meets-no-role",
      { path: role("scheduler") },
      { path: "^(api|runtime|functions|standalone)/" },
      "Roles meet in rows and messages.",
    ),
    forbid(
      "runtime-meets-no-role",
      { path: role("runtime") },
      { path: "^(api|scheduler|standalone)/" },
      "Roles meet in rows and messages.",
    ),
    forbid(
      "cli-on-the-client",
      { path: role("cli"), pathNot: "\\.test\\.ts$" },
      {
        path: "^(api|bench|console|core|functions|runtime|scheduler|standalone|test)/",
        pathNot: "^core/(contracts|domain)/",
      },
      "The command line knows the API by the client alone.",
    ),
    forbid(
      "nobody-on-the-cli",
      { path: "^(api|console|core|functions|runtime|scheduler|standalone)/" },
      { path: role("cli") },
      "The command line is a program of its own.",
    ),
    forbid(
      "console-on-client",
      { path: role("console") },
      { path: "^(api|core|functions|runtime|scheduler|standalone|test)/", pathNot: "^core/contracts/" },
      "The console asks the API as everybody does: by the client.",
    ),
    forbid(
      "console-apart",
      { path: "^(api|core|functions|runtime|scheduler|standalone)/" },
      { path: role("console") },
      "A browser's code runs in a browser.",
    ),
    forbid(
      "domain-is-pure",
      { path: "^core/domain/", pathNot: "\\.test\\.ts$" },
      { path: "^core/", pathNot: "^core/(domain/|errors|duration|clock|json)" },
      "Decisions are pure.",
    ),
    forbid(
      "contracts-on-domain",
      { path: "^core/contracts/", pathNot: "\\.test\\.ts$" },
      { path: "^core/(store|queue|egress|telemetry|config)/" },
      "Contracts know nothing of adapters.",
    ),
    forbid(
      "store-apart-from-queue",
      { path: "^core/store/", pathNot: "\\.test\\.ts$" },
      { path: "^core/(queue|egress)/" },
      "The store does not ring.",
    ),
    forbid(
      "adapters-in-main",
      { path: "^(api|scheduler|runtime)/", pathNot: "(main|\\.test|\\.suite)\\.ts$|/testing/" },
      { path: "^core/queue/(kafka|postgres|open)" },
      "Only a role's main constructs adapters.",
    ),
    forbid(
      "testing-in-tests",
      { pathNot: "\\.(test|suite)\\.ts$|/testing/|^(bench|test)/" },
      { path: "/testing/" },
      "What is made for tests is no part of the product.",
    ),
    forbid(
      "opentelemetry-in-telemetry",
      { pathNot: "^(node_modules/|core/telemetry/)" },
      { path: "^node_modules/@opentelemetry/" },
      "The roles know spans by core/telemetry/tracing.ts alone.",
    ),
    forbid(
      "opentelemetry-on-demand",
      { pathNot: "\\.test\\.ts$" },
      { path: "^core/telemetry/otlp-tracer\\.ts$", dependencyTypesNot: ["dynamic-import"] },
      "Who does not trace does not load it.",
    ),
    forbid(
      "mcp-sdk-on-demand",
      { pathNot: "\\.test\\.ts$" },
      { path: "^api/mcp/answer-message\\.ts$", dependencyTypesNot: ["dynamic-import", "type-only"] },
      "Who answers no models does not load it.",
    ),
    forbid(
      "nothing-unresolved",
      {},
      { couldNotResolve: true, pathNot: "^(bellhop$|internal:)" },
      "An import must resolve.",
    ),
    forbid(
      "no-dev-in-product",
      {
        path: "^(api|cli|console|core|functions|runtime|scheduler|standalone)/",
        pathNot: "\\.(test|suite)\\.ts$",
      },
      { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
      "The product runs without dev dependencies.",
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^functions/samples/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
