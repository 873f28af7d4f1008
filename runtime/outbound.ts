/** What runs reach the world through, as the settings say. */
import type { Settings } from "../core/config/settings.ts";
import { parseNetworks } from "../core/egress/address-policy.ts";
import type { Egress } from "../core/egress/egress.ts";
import { createLateEgress } from "../core/egress/late-egress.ts";
import type { OutboundMetrics } from "../core/telemetry/metrics/outbound.ts";
import { createMailProvider } from "./email/create-provider.ts";
import type { MailProvider } from "./email/mail-provider.ts";
import { measureEgress, measureMail } from "./measured-outbound.ts";

export type OutboundSettings = Pick<Settings, "EGRESS_ALLOW" | "EMAIL_URL" | "EMAIL_FROM">;

export interface Outbound {
  egress: Egress;
  /** Null where EMAIL_URL is not set. */
  mail: MailProvider | null;
  close(): Promise<void>;
}

/** Nothing is loaded or connected before its first use. Without `metrics` nothing is counted. Throws `invalid_setting`. */
export function createOutbound(settings: OutboundSettings, metrics?: OutboundMetrics): Outbound {
  const { EGRESS_ALLOW, EMAIL_URL, EMAIL_FROM } = settings;
  const way = createLateEgress({ allow: parseNetworks(EGRESS_ALLOW) });
  const egress = metrics ? measureEgress(way, metrics) : way;
  const mail = EMAIL_URL === undefined ? null : createMailProvider(EMAIL_URL, { egress, from: EMAIL_FROM });
  return {
    egress,
    mail: mail && metrics ? measureMail(mail, metrics) : mail,
    async close() {
      await mail?.close();
      await egress.close();
    },
  };
}
