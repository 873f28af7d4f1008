/** What a start ends with: the address, the key, and three commands to copy. Pure. */
export interface StartFacts {
  address: string;
  /** It works once. */
  signInLink: string;
  key: string;
  dataDir: string;
  egressAllow: string;
  hasEmail: boolean;
  minWorkers: number;
  maxWorkers: number;
  /** Where the clock for tests stands; undefined: schedules see the true time. */
  virtualNow: Date | undefined;
}

export function describeStart(facts: StartFacts): string {
  const { address, signInLink, key, dataDir, egressAllow, hasEmail } = facts;
  const auth = `-H 'Authorization: Bearer ${key}'`;
  const json = "-H 'Content-Type: application/json'";
  return `
Bellhop is ready. Open the console (this link signs in once, within an hour):
  ${signInLink}

API ${address}
Key ${key}

Data     ${dataDir}
Egress   tasks may reach public addresses${egressAllow ? ` and ${egressAllow}` : ""}
Workers  ${describeWorkers(facts)}
E-mail   ${hasEmail ? "by EMAIL_URL" : `none is sent: read them at ${address}/v1/mailbox, or set EMAIL_URL`}${describeClock(facts)}

Deploy the sample function:
  curl -sS -w '\\n' -X PUT ${address}/v1/functions/greet ${auth} -F 'file=@functions/samples/greet.ts'

Run it every 10 seconds:
  curl -sS -w '\\n' ${address}/v1/tasks ${auth} ${json} -d '{"type":"function","function":"greet","input":{"name":"world"},"schedule":{"every":"10s"}}'

Follow its logs (the first line comes with the first run):
  curl -sSN '${address}/v1/functions/greet/logs?follow=true' ${auth}

Ctrl-C drains and stops everything.
`;
}

function describeWorkers({ minWorkers, maxWorkers }: StartFacts): string {
  const most = `${maxWorkers} ${maxWorkers === 1 ? "process" : "processes"} at most`;
  if (minWorkers === 0) return `none until something is due, then ${most}`;
  return minWorkers === maxWorkers ? `always ${maxWorkers}` : `always ${minWorkers}, ${most}`;
}

/** Nothing of the true one. */
function describeClock({ virtualNow, address, key }: StartFacts): string {
  if (virtualNow === undefined) return "";
  return `
Clock    VIRTUAL, for tests: to schedules it is ${virtualNow.toISOString()} until you advance it:
  curl -sS -w '\\n' ${address}/v1/clock/advance -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"by":"1d"}'`;
}
