/** Chapter "E-mail". */
import assert from "node:assert/strict";
import { createTransport } from "nodemailer";
import { MAX_MAILBOX_PAGE_BYTES } from "../../../api/mailbox/page-bytes.ts";
import { MAX_EMAIL_BYTES, MAX_EMAILS } from "../../../core/store/captured-emails.ts";
import { parseSmtpUrl } from "../../../runtime/email/smtp.ts";
import { bounded, EMAIL_TASK, held, n, type Statement, statement } from "./statement.ts";

const MAILBOX = "api/mailbox/routes.test.ts";

export const EMAILS: Statement[] = [
  held("a POST or PATCH that leaves none is a 422 that names from", [
    "api/tasks/sender.test.ts",
    "where there is no sender for it, an e-mail that names none is refused when it is made",
  ]),
  held("without a sender its run fails with email_no_sender", [
    "runtime/runners/email.test.ts",
    "says which setting is missing",
  ]),
  {
    says: "is a 422 that names the field, and mail_invalid at the worker",
    holds: bounded(EMAIL_TASK, {
      field: "subject",
      takes: [{ subject: "Größe €" }],
      refuses: [{ subject: "a\nb" }, { subject: "a\tb" }, { subject: "a\u001bb" }],
    }),
    heldBy: [
      ["core/contracts/task-input.test.ts", "no part of an e-mail but its content holds a control character"],
      ["runtime/email/provider.suite.ts", "mail_invalid"],
    ],
  },
  statement("maxConnections (5), maxMessages (100)", () => {
    const { transporter } = createTransport({ ...parseSmtpUrl("smtp://localhost"), pool: true });
    const { options } = transporter as unknown as { options: Record<string, unknown> };
    assert.deepEqual([options["maxConnections"], options["maxMessages"]], [5, 100]);
  }),
  held(`A namespace keeps its newest ${n(MAX_EMAILS)} e-mails of ${n(MAX_EMAIL_BYTES)} bytes in total`, [
    "core/store/captured-emails.test.ts",
    "a namespace keeps its newest, so many and of so many bytes",
  ]),
  held(`A page ends early if its e-mails would take more than ${n(MAX_MAILBOX_PAGE_BYTES)} bytes`, [
    MAILBOX,
    "a page ends where its e-mails grow too large together, and holds one in any case",
  ]),
  held("If e-mails are not captured, both are a 404 mailbox_off", [
    MAILBOX,
    "where e-mails are not captured there is no mailbox, and the answer says so",
  ]),
];
