/** A way to a server that a test can hold up: what is sent waits, as on a network that drops everything. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export interface TcpProxy {
  port: number;
  /** Nothing passes any more, in no direction; connections stay open. New ones are taken and say nothing. */
  hold(): void;
  /** What was held passes, and all that follows. */
  release(): void;
  /** The connections that stand say nothing any more, and are not closed, as where a machine is gone; new ones pass. */
  abandon(): void;
  /** What is sent from now on arrives so much later, in its order; 0: at once. */
  delay(ms: number): void;
  /** What is sent from now on meets what it is told: the network of a bad day. Undefined: nothing. */
  impair(meet: (() => Impairment) | undefined): void;
  /** Where new connections lead from now on; those that stand are cut. */
  redirect(port: number): void;
  close(): Promise<void>;
}

/** How much later a piece arrives, in ms, and in its order; `reset`: it is lost, and its connection breaks. */
export type Impairment = number | "reset";

/** @param port of the server, on 127.0.0.1 */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  let targetPort = port;
  let isHeld = false;
  let impair: () => Impairment = () => 0;
  const sockets = new Set<Socket>();
  const abandoned = new WeakSet<Socket>();
  const waiting: Socket[] = [];

  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
    if (isHeld) socket.pause();
  }

  /** Of one direction: each act is done after those before it, and after its delay. */
  function inOrder(): (act: () => void, delayMs?: number) => void {
    let pending = 0;
    let last = Promise.resolve();
    return (act, delayMs = 0) => {
      if (pending === 0 && delayMs === 0) return act();
      pending += 1;
      const dueMs = performance.now() + delayMs;
      last = last.then(async () => {
        await wait(Math.max(dueMs - performance.now(), 0));
        pending -= 1;
        act();
      });
    };
  }

  function join(client: Socket): void {
    if (client.destroyed) return;
    const server = connect(targetPort, "127.0.0.1");
    track(server);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const pass = inOrder();
      from.on("data", (chunk) => {
        const met = impair();
        if (met === "reset") for (const socket of [from, to]) socket.resetAndDestroy();
        else pass(() => void to.write(chunk), met);
      });
      from.once("end", () => pass(() => void to.end()));
      from.once("close", () =>
        pass(() => {
          if (!abandoned.has(to)) to.destroy();
        }),
      );
    }
    if (isHeld) for (const socket of [client, server]) socket.pause();
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    track(client);
    if (isHeld) waiting.push(client);
    else join(client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    hold() {
      isHeld = true;
      for (const socket of sockets) socket.pause();
    },
    release() {
      isHeld = false;
      for (const socket of sockets) if (!abandoned.has(socket)) socket.resume();
      for (const client of waiting.splice(0)) join(client);
    },
    abandon() {
      for (const socket of sockets) {
        abandoned.add(socket);
        socket.pause();
      }
    },
    delay(ms) {
      impair = () => ms;
    },
    impair(meet) {
      impair = meet ?? (() => 0);
    },
    redirect(next) {
      targetPort = next;
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
