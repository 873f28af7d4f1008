import client from "../client/package.json" with { type: "json" };

/** The API's, the client's and the program's are one. */
export const VERSION: string = client.version;
