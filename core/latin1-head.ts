import { type IncomingMessage, ServerResponse } from "node:http";

const NOTHING = Buffer.alloc(0);

let made: typeof ServerResponse | undefined;

/**
 * Node writes a head as UTF-8 where it goes out by itself or beside text, and as Latin-1, which header values are, only
 * beside bytes. So before a stream it goes out beside none of them. The class is made when it is asked for: a snapshot of
 * a program that has loaded `node:http` cannot be taken.
 */
export function latin1HeadResponse(): typeof ServerResponse {
  made ??= class Latin1HeadResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {
    override flushHeaders(): void {
      if (!this.headersSent) this.writeHead(this.statusCode);
      this.write(NOTHING);
    }
  };
  return made;
}
