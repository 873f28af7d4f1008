/** What an executor that was taken over does to its worker when it is given the run of an attack. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { encodeFrame } from "../../../core/frames.ts";

/** The executor's end of the pipe. */
export interface Wire {
  socket: Socket;
  /** The run of the attack. */
  id: number;
  send(message: object): void;
  /** A frame whose text is given, JSON or not. */
  sendText(text: string): void;
  /** An honest answer. */
  answer(result?: string): void;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const MEGABYTE = 1_048_576;

export function frame(message: object): Buffer {
  return encodeFrame(message, NO_LIMIT);
}

export function resultOf(id: number, more: object): object {
  return { t: "result", id, droppedLines: 0, reused: false, recycle: false, ...more };
}

function header(bytes: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(bytes);
  return buffer;
}

/** As fast as the pipe takes it, without end. */
function pour(socket: Socket, chunk: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

function logOf(id: number, more: object = {}): object {
  return { t: "log", id, level: "info", message: "line", fields: "", at: 0, ...more };
}

function fetchOf(id: number, no: number, more: object = {}): object {
  const head = { method: "GET", url: "http://127.0.0.1:9/", headers: [], redirect: "follow", hasBody: false };
  return { t: "fetch", id, no, head: { ...head, ...more } };
}

function kvOf(id: number, no: unknown, ask: unknown = '{"op":"get","key":"a"}'): object {
  return { t: "kv", id, no, ask };
}

export const TRICKS = {
  kvFlood({ socket, id }: Wire) {
    pour(socket, Buffer.concat(Array.from({ length: 100 }, (_, no) => frame(kvOf(id, no)))));
  },
  kvTooLong({ id, send }: Wire) {
    send(kvOf(id, 1, "x".repeat(500_001)));
  },
  kvNoAsk({ id, send }: Wire) {
    send(kvOf(id, "1", 5));
  },
  kvOfStrangers({ id, send, answer }: Wire) {
    for (const other of [0, id + 1, id + 1_000]) send(kvOf(other, 1));
    send(kvOf(id, 1, "no JSON"));
    answer();
  },
  callUnasked({ id, send }: Wire) {
    send({ t: "call-head", id, head: { status: 200, headers: [] } });
  },
  callOddFields({ id, send }: Wire) {
    send({ t: "call-pull", id, bytes: -1 });
  },
  strangersResults({ id, send, answer }: Wire) {
    for (const other of [0, -1, id + 1, id + 1_000, Number.MAX_SAFE_INTEGER]) {
      send(resultOf(other, { result: '"forged"' }));
      send(logOf(other, { message: "forged" }));
      send({ t: "over", id: other, what: "memory" });
      send({ t: "unstarted", ids: [other] });
    }
    answer();
  },
  twice({ id, send, answer }: Wire) {
    answer();
    send(resultOf(id, { result: '"forged"' }));
    send(logOf(id, { message: "forged" }));
  },
  unaskedCancel({ id, send }: Wire) {
    send(resultOf(id, { code: "cancelled" }));
  },
  giantLength({ socket }: Wire) {
    socket.write(header(0xffff_ffff));
  },
  negativeLength({ socket }: Wire) {
    socket.write(header(0x8000_0000));
  },
  lengthJustBeyond({ socket }: Wire) {
    socket.write(header(4_000_001));
  },
  endlessLine({ socket }: Wire) {
    // No frame: every four bytes are a length that is too large.
    pour(socket, Buffer.alloc(MEGABYTE, "a"));
  },
  frameNeverFilled({ socket }: Wire) {
    socket.write(header(4_000_000));
    socket.write(Buffer.alloc(3_999_999, " "));
  },
  emptyFrames({ socket }: Wire) {
    pour(socket, Buffer.alloc(64_000));
  },
  byteByByte({ id, socket }: Wire) {
    for (const byte of frame(resultOf(id, { result: "42" }))) socket.write(Buffer.from([byte]));
  },
  noJson({ sendText }: Wire) {
    sendText("{nonsense");
  },
  deepJson({ sendText }: Wire) {
    sendText("[".repeat(3_900_000));
  },
  deepMessage({ id, sendText }: Wire) {
    const deep = "[".repeat(1_500_000) + "]".repeat(1_500_000);
    sendText(
      `{"t":"result","id":${id},"result":"1","droppedLines":0,"reused":false,"recycle":false,"more":${deep}}`,
    );
  },
  otherKinds({ sendText }: Wire) {
    for (const text of ["null", "1", '"ready"', "[]", "{}", '{"t":"invoke"}', '{"t":"__proto__"}'])
      sendText(text);
  },
  pollution({ id, sendText }: Wire) {
    const base = `"t":"result","id":${id},"droppedLines":0,"reused":false,"recycle":false`;
    sendText(
      `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${base},"result":"{\\"__proto__\\":{\\"polluted\\":1}}"}`,
    );
  },
  inheritedFields({ id, sendText }: Wire) {
    sendText(
      `{"__proto__":{"result":"1","droppedLines":0,"reused":false,"recycle":false},"t":"result","id":${id}}`,
    );
  },
  resultNoJson({ id, send }: Wire) {
    send(resultOf(id, { result: "{nonsense" }));
  },
  resultTooLarge({ id, send }: Wire) {
    send(resultOf(id, { result: JSON.stringify("x".repeat(3_000_000)) }));
  },
  resultOfOtherTypes({ id, send }: Wire) {
    send(resultOf(id, { result: { toString: "x" } }));
  },
  unknownCode({ id, send }: Wire) {
    send(resultOf(id, { code: "admin", message: "x" }));
  },
  longTexts({ id, send }: Wire) {
    const long = "x".repeat(1_200_000);
    send(resultOf(id, { code: "function_error", name: long, message: long, stack: long }));
  },
  hugeCounts({ id, send }: Wire) {
    send(resultOf(id, { result: "42", droppedLines: -Number.MAX_SAFE_INTEGER }));
  },
  overAndStays({ id, send }: Wire) {
    for (let i = 0; i < 1_000; i++) send({ t: "over", id, what: "memory" });
  },
  giveBackWhatRuns({ id, send }: Wire) {
    send({ t: "unstarted", ids: [id] });
  },
  giveBackTooMany({ send }: Wire) {
    send({ t: "unstarted", ids: Array.from({ length: 200_000 }, (_, i) => i) });
  },
  readyAgain({ send, answer }: Wire) {
    for (let i = 0; i < 10_000; i++) send({ t: "ready" });
    answer();
  },
  logFlood({ id, socket }: Wire) {
    pour(socket, frame(logOf(id, { message: "x".repeat(1_000), fields: '{"a":1}' })));
  },
  longLogs({ id, socket }: Wire) {
    pour(
      socket,
      frame(logOf(id, { message: "\u4e00".repeat(900_000), fields: `{"a":"${"x".repeat(1_000_000)}"}` })),
    );
  },
  logsBeyondTime({ id, send }: Wire) {
    send(logOf(id, { at: 8.65e15 }));
  },
  logFieldsNoObject({ id, send, answer }: Wire) {
    for (const fields of ["null", "1", "[1]", "{nonsense", '{"__proto__":{"polluted":1}}'])
      send(logOf(id, { fields }));
    answer();
  },
  stderrFlood() {
    const chunk = Buffer.alloc(MEGABYTE, "e");
    const more = () => {
      while (process.stderr.write(chunk));
    };
    process.stderr.on("drain", more);
    more();
  },
  closesPipe({ socket }: Wire) {
    socket.end();
    setInterval(() => {}, 1_000);
  },
  silence() {},
  dies() {
    process.kill(process.pid, "SIGKILL");
  },
  stopsItself() {
    process.kill(process.pid, "SIGSTOP");
  },
  leavesChild() {
    // A process of another session that keeps both pipes open.
    const script = "setTimeout(() => {}, 8_000)";
    spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "ignore", "inherit", 3] });
  },
  fetchOfStrangers({ id, send, answer }: Wire) {
    send(fetchOf(id + 1, 1));
    send({ t: "fetch-data", id: id + 1, no: 1, base64: "AAAA" });
    send({ t: "fetch-pull", id: id + 1, no: 1, bytes: 1 });
    answer();
  },
  fetchBeyondCredit({ id, send }: Wire) {
    send(fetchOf(id, 1, { hasBody: true, method: "POST" }));
    const base64 = Buffer.alloc(65_536).toString("base64");
    for (let i = 0; i < 1_000; i++) send({ t: "fetch-data", id, no: 1, base64 });
  },
  fetchHugeChunk({ id, send }: Wire) {
    send(fetchOf(id, 1, { hasBody: true, method: "POST" }));
    send({ t: "fetch-data", id, no: 1, base64: "A".repeat(3_900_000) });
  },
  fetchHugeCredit({ id, send }: Wire) {
    send(fetchOf(id, 1));
    for (const bytes of [Number.MAX_SAFE_INTEGER, -1, 0.5, 1e300])
      send({ t: "fetch-pull", id, no: 1, bytes });
  },
  fetchOddHead({ id, send }: Wire) {
    send(fetchOf(id, 1, { method: "GET / HTTP/1.1\r\nhost: x\r\n\r\n", headers: [["a\r\nb", "c\r\nd"]] }));
  },
  fetchHugeHead({ id, send }: Wire) {
    send(
      fetchOf(id, 1, {
        url: `http://example.com/${"x".repeat(1_000_000)}`,
        headers: [["a", "b".repeat(1_000_000)]],
      }),
    );
  },
  fetchFlood({ id, send }: Wire) {
    for (let no = 1; no <= 20_000; no++) send(fetchOf(id, no));
  },
  fetchSameNumber({ id, send }: Wire) {
    for (let i = 0; i < 100; i++) send(fetchOf(id, 1));
  },
  fetchOtherSchemes({ id, send }: Wire) {
    for (const [i, url] of ["file:///etc/passwd", "http://user:pass@127.0.0.1/", "unix:/x", ""].entries())
      send(fetchOf(id, i + 1, { url }));
  },
} satisfies Record<string, (wire: Wire) => void>;

export type Trick = keyof typeof TRICKS;
