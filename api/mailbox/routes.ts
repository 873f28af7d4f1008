/** `/v1/mailbox`: e-mails that were captured instead of sent. */
import { emailOutput, toWireEmail } from "../../core/contracts/captured-email.ts";
import { idParam, listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import { listEmailSizes, loadEmails } from "../../core/store/captured-emails.ts";
import { isId } from "../../core/store/ids.ts";
import type { MailFacts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { countFitting } from "./page-bytes.ts";

export const mailboxFeature: Feature = {
  tag: "Mailbox",
  description: "E-mails that were captured instead of sent.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/mailbox",
      operationId: "listEmails",
      summary: "List captured e-mails, newest first",
      access: "read",
      query: listQuery,
      answers: { 200: { is: "A page of e-mails.", schema: pageOf(emailOutput) } },
      errors: { 404: ["mailbox_off"] },
      async handle({ parts: { store, mail }, owner: { namespaceId }, query: { limit, cursor } }) {
        requireCapture(mail);
        const sizes = await listEmailSizes(store, namespaceId, limit, decodeIdCursor(cursor));
        const { items: ids, nextCursor } = toPage(
          sizes,
          countFitting(sizes, limit),
          ({ id }) => id,
          ({ id }) => id,
        );
        const emails = await loadEmails(store, namespaceId, ids);
        return { status: 200, body: { items: emails.map(toWireEmail), nextCursor } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/mailbox/:id",
      operationId: "getEmail",
      summary: "Get a captured e-mail",
      access: "read",
      params: { id: idParam("The e-mail's id.") },
      answers: { 200: { is: "The e-mail.", schema: emailOutput } },
      errors: { 404: ["mailbox_off", "not_found"] },
      async handle({ parts: { store, mail }, owner, params: { id } }) {
        requireCapture(mail);
        const [email] = isId(id) ? await loadEmails(store, owner.namespaceId, [id]) : [];
        if (!email) throw notFound("e-mail", id);
        return { status: 200, body: toWireEmail(email) };
      },
    }),
  ],
};

function requireCapture({ isCaptured }: MailFacts): void {
  if (isCaptured) return;
  throw new BellhopError(
    "mailbox_off",
    404,
    "E-mails are not captured here: they are sent if the operator has set EMAIL_URL.",
  );
}
