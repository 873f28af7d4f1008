import { Duplex } from "node:stream";

export default Duplex;
