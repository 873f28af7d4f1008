/** What a start ends with: the address, the key, and three commands to copy. Pure. */
export interface StartFacts {
  address: string;
  key: string;
  dataDir: string;
  egressAllow: string;
  hasEmail: boolean;
}

export function describeStart({ address, key, dataDir, egressAllow, hasEmail }: StartFacts): string {
  const auth = `-H 'Authorization: Bearer ${key}'`;
  const json = "-H 'Content-Type: application/json'";
  return `
Bellhop is ready.
API ${address}
Key ${key}

Data     ${dataDir}
Egress   tasks may reach public addresses${egressAllow ? ` and ${egressAllow}` : ""}
E-mail   ${hasEmail ? "by EMAIL_URL" : "set EMAIL_URL to send any"}

Deploy the sample function:
  curl -sS -w '\\n' -X PUT ${address}/v1/functions/greet ${auth} -F 'file=@functions/samples/greet.ts'

Run it every 10 seconds:
  curl -sS -w '\\n' ${address}/v1/tasks ${auth} ${json} -d '{"type":"function","function":"greet","input":{"name":"world"},"schedule":{"every":"10s"}}'

Follow its logs (the first line comes with the first run):
  curl -sSN '${address}/v1/functions/greet/logs?follow=true' ${auth}

Ctrl-C drains and stops everything.
`;
}
