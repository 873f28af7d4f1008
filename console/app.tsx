import { useEffect, useState } from "preact/hooks";
import { Route, Router, Switch } from "wouter-preact";
import { AuditPage } from "./audit/audit-page.tsx";
import { BulkListPage, BulkPage } from "./bulk/bulk-pages.tsx";
import { Empty, Page } from "./components/page.tsx";
import { basePath } from "./data/root.ts";
import { DeadLettersPage } from "./dead-letters/dead-letters-page.tsx";
import { ErrorsPage } from "./errors/errors-page.tsx";
import { FunctionPage } from "./functions/function-page.tsx";
import { FunctionsPage } from "./functions/functions-page.tsx";
import { NewFunctionPage } from "./functions/new-function-page.tsx";
import { KeysPage } from "./keys/keys-page.tsx";
import { EmailPage, MailboxPage } from "./mailbox/mailbox-pages.tsx";
import { OverviewPage } from "./overview/overview-page.tsx";
import { QueuePage, QueuesPage } from "./queues/queue-pages.tsx";
import { RunPage } from "./runs/run-page.tsx";
import { RunsPage } from "./runs/runs-page.tsx";
import { SecretsPage } from "./secrets/secrets-page.tsx";
import { currentSession, watchSession } from "./session/session.ts";
import { SignIn } from "./session/sign-in.tsx";
import { Shell } from "./shell/shell.tsx";
import { NewTaskPage } from "./tasks/new-task-page.tsx";
import { TaskPage } from "./tasks/task-page.tsx";
import { TasksPage } from "./tasks/tasks-page.tsx";
import { UsagePage } from "./usage/usage-page.tsx";
import { WorkersPage } from "./workers/workers-page.tsx";

export function App() {
  const [session, setSession] = useState(currentSession);
  useEffect(() => watchSession(() => setSession(currentSession())), []);
  if (!session) return <SignIn />;
  return (
    <Router base={basePath}>
      <Shell session={session}>
        <Switch>
          <Route path="/" component={OverviewPage} />
          <Route path="/tasks" component={TasksPage} />
          <Route path="/tasks/new" component={NewTaskPage} />
          <Route path="/tasks/:id">{({ id }) => <TaskPage id={id} key={id} />}</Route>
          <Route path="/runs" component={RunsPage} />
          <Route path="/runs/:id">{({ id }) => <RunPage id={id} key={id} />}</Route>
          <Route path="/functions" component={FunctionsPage} />
          <Route path="/functions/new" component={NewFunctionPage} />
          <Route path="/functions/:name">{({ name }) => <FunctionPage name={name} key={name} />}</Route>
          <Route path="/errors" component={ErrorsPage} />
          <Route path="/dead-letters" component={DeadLettersPage} />
          <Route path="/bulk" component={BulkListPage} />
          <Route path="/bulk/:id">{({ id }) => <BulkPage id={id} key={id} />}</Route>
          <Route path="/queues" component={QueuesPage} />
          <Route path="/queues/:name">{({ name }) => <QueuePage name={name} key={name} />}</Route>
          <Route path="/workers" component={WorkersPage} />
          <Route path="/mailbox" component={MailboxPage} />
          <Route path="/mailbox/:id">{({ id }) => <EmailPage id={id} key={id} />}</Route>
          <Route path="/secrets" component={SecretsPage} />
          <Route path="/keys" component={KeysPage} />
          <Route path="/audit" component={AuditPage} />
          <Route path="/usage" component={UsagePage} />
          <Route>
            <Page title="Page not found">
              <Empty title="There is nothing at this address.">
                <p>It may be from an older release. Press Ctrl K to search.</p>
              </Empty>
            </Page>
          </Route>
        </Switch>
      </Shell>
    </Router>
  );
}
