/** WebSocket, for clients that look whether it exists. A function opens no connection but by `fetch`. */
import { domException } from "./dom-exception.ts";
import { GuestEventTarget } from "./event-target.ts";
import { defineConstants, defineInterface, requireArguments } from "./webidl.ts";

class GuestWebSocket extends GuestEventTarget {
  constructor(_url: unknown) {
    super();
    requireArguments(arguments.length, 1, "WebSocket");
    throw domException("NotSupportedError", "A function cannot open a WebSocket");
  }
}

export function installWebSocket(): void {
  defineConstants(GuestWebSocket, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
  defineInterface("WebSocket", GuestWebSocket);
}
