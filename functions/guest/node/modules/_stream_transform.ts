import { Transform } from "node:stream";

export default Transform;
