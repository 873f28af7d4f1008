/**
 * For tests: a worker whose executor spins; both speak on stderr. Arguments: HostFacts to stand in for the host's own
 * as JSON, then words of a command to run the executor with.
 */
import { raiseWalls, spawnProbe } from "./wall-fixture.ts";

const [factsJson = "{}", ...before] = process.argv.slice(2);
spawnProbe(await raiseWalls(JSON.parse(factsJson)), { spin: true }, "inherit", before);
