import packageJson from "../../package.json" with { type: "json" };

/** How Bellhop introduces itself: `Bellhop/0.1.0`. */
export const USER_AGENT = `Bellhop/${packageJson.version}`;
