/** HTTP as bytes on a socket: for requests that no client would send. */
import { connect } from "node:net";

export interface RawAnswer {
  /** 0: the connection was closed without an answer. */
  status: number;
  text: string;
}

/** Resolves with all that comes until the server closes, or its answer is whole. */
export function sendRaw(port: number, request: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = () => {
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text });
    };
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (isWhole(text)) finish();
    });
    socket.on("close", finish).on("error", reject);
    socket.write(request, "latin1");
  });
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  if (/\r\ntransfer-encoding: *chunked/i.test(text.slice(0, end + 2))) return text.endsWith("\r\n0\r\n\r\n");
  const [, length] = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2)) ?? [];
  return length !== undefined && text.length - end - 4 >= Number(length);
}
