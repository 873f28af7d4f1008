/** How runs reach the world, according to the settings. */
import type { Settings } from "../core/config/settings.ts";
import { parseNetworks } from "../core/egress/address-policy.ts";
import type { Egress } from "../core/egress/egress.ts";
import { createLateEgress } from "../core/egress/late-egress.ts";
import type { FindTenantRules } from "../core/egress/tenant-rules.ts";
import { BellhopError } from "../core/errors.ts";
import type { KeptEmail } from "../core/store/captured-emails.ts";
import type { OutboundMetrics } from "../core/telemetry/metrics/outbound.ts";
import { CAPTURED_FROM, createCapturingMailer } from "./email/capture.ts";
import { createMailProvider, demandSender, type MailProviderOptions } from "./email/create-provider.ts";
import type { Mailer } from "./email/mail-provider.ts";
import { measureEgress, measureMail } from "./measured-outbound.ts";

export type OutboundSettings = Pick<
  Settings,
  "EGRESS_ALLOW" | "EGRESS_DENY" | "EMAIL_URL" | "EMAIL_FROM" | "EMAIL_CAPTURE"
>;

export interface Outbound {
  egress: Egress;
  /** Null where e-mails are neither sent nor captured. */
  mail: Mailer | null;
  /** Of e-mails that name none. */
  mailFrom: string | undefined;
  close(): Promise<void>;
}

export interface OutboundParts {
  metrics: OutboundMetrics;
  /** Of requests that runs of a namespace make. */
  tenantRules: FindTenantRules;
  keepEmail(email: KeptEmail): Promise<unknown>;
}

/**
 * Nothing is loaded or connected before its first use. Without `parts` nothing is counted, nor any e-mail captured: for
 * a look at the settings. Throws `invalid_setting`.
 */
export function createOutbound(settings: OutboundSettings, parts?: OutboundParts): Outbound {
  const { EGRESS_ALLOW, EGRESS_DENY } = settings;
  const metrics = parts?.metrics;
  const deny = parseNetworks(EGRESS_DENY, "EGRESS_DENY");
  const way = createLateEgress({
    ...{ allow: parseNetworks(EGRESS_ALLOW), deny, tenantRules: parts?.tenantRules },
  });
  const egress = metrics ? measureEgress(way, metrics) : way;
  const mail = createMailer(settings, { egress, deny }, parts);
  return {
    egress,
    mail: mail && metrics ? measureMail(mail, metrics) : mail,
    mailFrom: settings.EMAIL_FROM ?? (settings.EMAIL_CAPTURE === "true" ? CAPTURED_FROM : undefined),
    async close() {
      await mail?.close();
      await egress.close();
    },
  };
}

function createMailer(
  { EMAIL_URL, EMAIL_FROM, EMAIL_CAPTURE }: OutboundSettings,
  way: Pick<MailProviderOptions, "egress" | "deny">,
  parts: OutboundParts | undefined,
): Mailer | null {
  if (EMAIL_CAPTURE === "false")
    return EMAIL_URL === undefined ? null : createMailProvider(EMAIL_URL, { ...way, from: EMAIL_FROM });
  if (EMAIL_URL !== undefined) {
    const message = "EMAIL_CAPTURE keeps e-mails and EMAIL_URL sends them: set one of the two.";
    throw new BellhopError("invalid_setting", 500, message);
  }
  demandSender(EMAIL_FROM);
  return parts ? createCapturingMailer(parts.keepEmail) : null;
}
