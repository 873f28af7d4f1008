import { ServerResponse } from "node:http";

const NOTHING = Buffer.alloc(0);

/**
 * Node writes a head as UTF-8 where it goes out by itself or beside text, and as Latin-1, which header values are, only
 * beside bytes. So before a stream it goes out beside none of them.
 */
export class Latin1HeadResponse extends ServerResponse {
  override flushHeaders(): void {
    if (!this.headersSent) this.writeHead(this.statusCode);
    this.write(NOTHING);
  }
}
