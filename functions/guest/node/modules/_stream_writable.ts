import { Writable } from "node:stream";

export default Writable;
