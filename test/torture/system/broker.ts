/** A Kafka that is reached through a proxy of ours alone: it tells its clients the proxy's address. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type KafkaBroker, startKafkaBroker, USUAL_SETTINGS } from "../../kafka/broker.ts";
import { freePorts } from "../../support/free-ports.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

export interface TorturedBroker {
  broker: KafkaBroker;
  proxy: TcpProxy;
  /** What KAFKA_BROKERS is set to. */
  address: string;
  stop(): Promise<void>;
}

export async function startTorturedBroker(folder: string): Promise<TorturedBroker> {
  const dir = join(folder, "kafka");
  await mkdir(dir);
  const [port] = await freePorts(1);
  const proxy = await startTcpProxy(port!);
  const address = `127.0.0.1:${proxy.port}`;
  const settings = { ...USUAL_SETTINGS, "advertised.listeners": `PLAINTEXT://${address}` };
  const broker = await startKafkaBroker({ dir, port: port!, settings });
  return {
    ...{ broker, proxy, address },
    async stop() {
      await broker.stop();
      await proxy.close();
    },
  };
}
