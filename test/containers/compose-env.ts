/** The environment of a Compose service where its neighbours are processes of this machine. */
import type { Service } from "../tools/compose.ts";

export interface Neighbours {
  databaseUrl: string;
  brokers: string;
  emailUrl: string;
}

/** Exactly the service's, addresses replaced; and a free port of loopback in place of the role's own. */
export function placeService(
  service: Service,
  { databaseUrl, brokers, emailUrl }: Neighbours,
  port: number,
): Record<string, string> {
  const replaced = { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers, EMAIL_URL: emailUrl };
  const given = Object.entries(service.environment ?? {}).map(([name, value]) => [
    name,
    replaced[name as keyof typeof replaced] ?? value,
  ]);
  return { ...Object.fromEntries(given), HOST: "127.0.0.1", PORT: String(port) };
}

/**
 * What the broker's image makes of its environment: `KAFKA_LOG_DIRS` is the setting `log.dirs`. Addresses and folders
 * become those of a broker on loopback.
 */
export function toBrokerSettings(service: Service): Record<string, string> {
  const settings = Object.entries(service.environment ?? {})
    .filter(([name]) => name.startsWith("KAFKA_") && name !== "KAFKA_HEAP_OPTS")
    .map(([name, value]) => [name.slice("KAFKA_".length).toLowerCase().replaceAll("_", "."), value]);
  const place = (value: string) =>
    value
      .replace(/(0\.0\.0\.0|kafka):9092/g, "127.0.0.1:PORT")
      .replace("127.0.0.1:9093", "127.0.0.1:CONTROLLER_PORT")
      .replace("/var/lib/kafka/data", "DATA");
  return Object.fromEntries(settings.map(([name, value]) => [name, place(value!)]));
}

/** `1m0s`, `15s`. */
export function parseGrace(text: string): number {
  const [, minutes = "0", seconds = "0"] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(text)!;
  return (Number(minutes) * 60 + Number(seconds)) * 1_000;
}
