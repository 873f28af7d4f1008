import { Link } from "wouter-preact";
import { ProblemError, type Schemas, unwrap } from "../../client/client.ts";
import { Code } from "../components/code.tsx";
import { Facts } from "../components/facts.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";
import { formatBytes } from "../format/duration.ts";
import { EmailFrame } from "./email-frame.tsx";

type Email = Schemas["Email"];
type Listed = Pick<Email, "id" | "at" | "to" | "subject" | "from">;

const COLUMNS: Column<Listed>[] = [
  {
    title: "E-mail",
    cell: ({ id, subject, from }) => (
      <>
        <Link href={`/mailbox/${id}`}>{subject || "without a subject"}</Link>
        <span class="sub">from {from}</span>
      </>
    ),
  },
  { title: "To", cell: ({ to }) => to.join(", ") },
  { title: "Captured", isTight: true, cell: ({ at }) => <Time at={at} /> },
];

async function listEmails(cursor: string | undefined) {
  try {
    return await unwrap(
      client().GET("/v1/mailbox", { params: { query: { limit: 50, ...given({ cursor }) } } }),
    );
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === "mailbox_off") return "off" as const;
    throw error;
  }
}

export function MailboxPage() {
  const search = useSearch();
  const cursor = search.get("cursor");
  const query = useQuery(`mailbox ${cursor}`, () => listEmails(cursor), {
    live: ({ data, type }) => type === "bellhop.run.succeeded" && "type" in data && data.type === "email",
  });
  return (
    <Page title="Mailbox" about="E-mails that were captured instead of sent.">
      <Answered of={query}>
        {(answer) => {
          if (answer === "off")
            return (
              <Empty title="E-mails are sent here, not captured.">
                <p>
                  With <code>EMAIL_CAPTURE=true</code> they would be stored and shown here.
                </p>
              </Empty>
            );
          if (answer.items.length === 0)
            return (
              <Empty title="No e-mails have been captured.">
                <p>E-mails that tasks would send are shown here.</p>
              </Empty>
            );
          return (
            <>
              <Table caption="E-mails" columns={COLUMNS} rows={answer.items} keyOf={({ id }) => id} />
              <Pager search={search} nextCursor={answer.nextCursor} />
            </>
          );
        }}
      </Answered>
    </Page>
  );
}

export function EmailPage({ id }: { id: string }) {
  const query = useQuery(`email ${id}`, () =>
    unwrap(client().GET("/v1/mailbox/{id}", { params: { path: { id } } })),
  );
  return (
    <Page title={query.data?.subject || "E-mail"} within={["Mailbox", "/mailbox"]}>
      <Answered of={query}>{(email) => <EmailDetail email={email} />}</Answered>
    </Page>
  );
}

function EmailDetail({ email }: { email: Email }) {
  return (
    <>
      <Facts
        of={[
          ["From", email.from],
          ["To", email.to.join(", ")],
          email.cc.length > 0 && ["Copy", email.cc.join(", ")],
          email.bcc.length > 0 && ["Blind copy", email.bcc.join(", ")],
          email.replyTo !== null && ["Reply to", email.replyTo],
          ["Captured", <Time key="at" at={email.at} isExact />],
          [
            "Run",
            <Link key="run" href={`/runs/${email.runId}`}>
              the run that sent it
            </Link>,
          ],
          email.attachments.length > 0 && [
            "Attachments",
            email.attachments.map(({ filename, bytes }) => `${filename} (${formatBytes(bytes)})`).join(", "),
          ],
        ]}
      />
      {email.html !== null && (
        <Section title="HTML" aside="without scripts, forms, pictures and styles">
          <EmailFrame html={email.html} />
        </Section>
      )}
      {email.text !== null && (
        <Section title="Text">
          <Code label="Text">{email.text}</Code>
        </Section>
      )}
    </>
  );
}
