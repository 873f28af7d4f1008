/** What bundled packages take for globals while they are loaded, when there are none yet. */
export { TextDecoder, TextEncoder } from "@exodus/bytes/encoding.js";
