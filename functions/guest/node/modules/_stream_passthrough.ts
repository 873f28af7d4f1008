import { PassThrough } from "node:stream";

export default PassThrough;
