/** `/v1/mailbox`: e-mails that were captured instead of sent. */
import { Hono } from "hono";
import { toWireEmail } from "../../core/contracts/captured-email.ts";
import { listQuery, toPage } from "../../core/contracts/common.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import { listEmailSizes, loadEmails } from "../../core/store/captured-emails.ts";
import { isId } from "../../core/store/ids.ts";
import { requireScope } from "../auth/scopes.ts";
import { validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { countFitting } from "./page-bytes.ts";

export function mailboxRoutes({ store, mail }: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.use(requireScope("read"), async (_context, next) => {
    if (!mail.isCaptured) throw mailboxOff();
    await next();
  });

  routes.get("/", async (context) => {
    const { namespaceId } = context.get("owner");
    const { limit, cursor } = validate(listQuery, context.req.query());
    const sizes = await listEmailSizes(store, namespaceId, limit, decodeIdCursor(cursor));
    const { items: ids, nextCursor } = toPage(
      sizes,
      countFitting(sizes, limit),
      ({ id }) => id,
      ({ id }) => id,
    );
    const emails = await loadEmails(store, namespaceId, ids);
    return context.json({ items: emails.map(toWireEmail), nextCursor });
  });

  routes.get("/:id", async (context) => {
    const id = context.req.param("id");
    const [email] = isId(id) ? await loadEmails(store, context.get("owner").namespaceId, [id]) : [];
    if (!email) throw notFound("e-mail", id);
    return context.json(toWireEmail(email));
  });

  return routes;
}

function mailboxOff(): BellhopError {
  return new BellhopError(
    "mailbox_off",
    404,
    "E-mails are not captured here: they are sent, or not, as the operator's EMAIL_URL says.",
  );
}
