/** Servers on loopback that attacks are sent to: one that nothing may reach, one on the only private address that is allowed. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";

export const ALLOWED_ADDRESS = "127.0.0.2";
const PACKED_BYTES = 50_000_000;
const BOMB_BYTES = 200_000_000;
const ENDLESS_CHUNK = Buffer.alloc(64_000, 1);

export interface Bait {
  forbiddenUrl: string;
  allowedUrl: string;
  /** Connections that the forbidden server has seen. */
  readonly trespasses: number;
  close(): void;
}

export async function layBait(): Promise<Bait> {
  let trespasses = 0;
  const sockets = new Set<Socket>();
  const track = <S extends Server>(server: S): S => {
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    });
    return server;
  };
  const tcp = () =>
    track(
      createTcpServer((socket) => {
        trespasses++;
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
      }),
    );
  const forbidden = tcp();
  const allowed = track(createServer(answer));
  const port = await listen(forbidden, 0, "127.0.0.1");
  const allowedPort = await listen(allowed, 0, ALLOWED_ADDRESS);
  const servers: Server[] = [forbidden, allowed];
  const sixth = tcp();
  // Not every machine has IPv6.
  if (await listen(sixth, port, "::1").catch(() => 0)) servers.push(sixth);
  return {
    forbiddenUrl: `http://127.0.0.1:${port}`,
    allowedUrl: `http://${ALLOWED_ADDRESS}:${allowedPort}`,
    get trespasses() {
      return trespasses;
    },
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

let bomb: Buffer | undefined;

/** By the names of their codings, laid on in this order: 50 MB of zeros, for the largest windows that decoders take. */
const packed = new Map<string, Buffer>();
const ENCODERS: Record<string, (plain: Buffer) => Buffer> = {
  gzip: gzipSync,
  deflate: deflateSync,
  // 39 bytes.
  br: (plain) =>
    brotliCompressSync(plain, {
      params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 5 },
    }),
  zstd: (plain) => zstdCompressSync(plain, { params: { [constants.ZSTD_c_windowLog]: 23 } }),
};

function pack(codings: string): Buffer {
  const known = packed.get(codings);
  if (known) return known;
  let bytes: Buffer = Buffer.alloc(PACKED_BYTES);
  for (const coding of codings.split(", ")) bytes = ENCODERS[coding]!(bytes);
  packed.set(codings, bytes);
  return bytes;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  response.on("error", () => {});
  const { pathname, search } = new URL(request.url ?? "/", "http://bait");
  switch (pathname) {
    case "/to":
      response.writeHead(302, { location: decodeURIComponent(search.slice(1)) }).end();
      break;
    case "/loop":
      response.writeHead(302, { location: "/loop" }).end();
      break;
    case "/echo":
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
      break;
    case "/bomb":
      bomb ??= gzipSync(Buffer.alloc(BOMB_BYTES));
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
      break;
    case "/packed":
      response.writeHead(200, { "content-encoding": decodeURIComponent(search.slice(1)) });
      response.end(pack(decodeURIComponent(search.slice(1))));
      break;
    case "/endless":
      pour(response);
      break;
    case "/swallow":
      request.resume();
      break;
    default:
      request.resume();
      response.end("ok");
  }
}

/** As fast as it is taken. */
function pour(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(ENDLESS_CHUNK));
  };
  response.on("drain", more);
  more();
}
