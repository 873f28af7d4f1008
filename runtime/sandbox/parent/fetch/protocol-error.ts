/** The executor asked for what an honest one never asks: it is to be killed. The message is for the operator. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}
