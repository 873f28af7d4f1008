import { strict } from "node:assert";

export default strict;
