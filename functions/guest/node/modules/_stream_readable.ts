import { Readable } from "node:stream";

export default Readable;
