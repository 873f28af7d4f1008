/**
 * What node is started with for every role. The scripts of package.json, the Dockerfile and the command line cannot
 * read it from here: role-flags.test.ts compares them.
 */
export const ROLE_FLAGS: readonly string[] = [
  "--disable-warning=TimeoutNegativeWarning",
  // V8 gives the young generation up to three times 64 MB where there is memory, and a role that is called uses them all:
  // docs/performance.md, "What executes holds".
  "--max-semi-space-size=16",
];
