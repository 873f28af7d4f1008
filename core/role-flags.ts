/**
 * What node is started with for every role. The scripts of package.json, the Dockerfile and the command line cannot
 * read it from here: role-flags.test.ts compares them.
 */
export const ROLE_FLAGS: readonly string[] = ["--disable-warning=TimeoutNegativeWarning"];
