/**
 * Stands in for an executor, as one would be that a guest has taken over. It answers a number honestly, with one more;
 * where the input names a trick, it plays that.
 */

import { Socket } from "node:net";
import { FrameDecoder, splitFrame } from "../../../core/frames.ts";
import type { GuestStart } from "../../../functions/guest/guest-start.ts";
import { MAX_PARENT_FRAME_BYTES, type ParentMessage } from "../../../runtime/sandbox/protocol/messages.ts";
import { frame, resultOf, TRICKS, type Trick } from "./tricks.ts";

let played: Trick | undefined;
const socket = new Socket({ fd: 3, readable: true, writable: true });
const send = (message: object) => void socket.write(frame(message));

function sendText(text: string): void {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(Buffer.byteLength(text));
  socket.write(Buffer.concat([header, Buffer.from(text)]));
}

function receive(message: ParentMessage, payload = ""): void {
  if (message.t !== "invoke") return;
  for (const [id, input] of JSON.parse(payload.slice(0, message.startsChars)) as GuestStart[]) {
    const answer = (result = "42") => send(resultOf(id, { result }));
    if (typeof input === "number") answer(String(input + 1));
    else {
      played = input as Trick;
      TRICKS[played]({ socket, id, send, sendText, answer });
    }
  }
}

const decoder = new FrameDecoder(MAX_PARENT_FRAME_BYTES, (text) => {
  const { json, payload } = splitFrame(text);
  receive(JSON.parse(json) as ParentMessage, payload);
});
socket.on("data", (chunk) => decoder.push(chunk));
socket.on("close", () => {
  if (played !== "closesPipe") process.exit();
});
socket.on("error", () => process.exit());
send({ t: "ready" });
