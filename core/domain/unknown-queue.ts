import { BellhopError } from "../errors.ts";

const describe = (name: string) =>
  `there is no queue ${JSON.stringify(name)} in this namespace: create it with PUT /v1/queues/${name}`;

/** 422: what is asked for would stand in a queue that is not there. `field`: where the request names it. */
export function unknownQueue(name: string, field?: string): BellhopError {
  const message = describe(name);
  if (field === undefined) return new BellhopError("unknown_queue", 422, `${message}.`.replace(/^t/, "T"));
  return new BellhopError("unknown_queue", 422, `${field}: ${message}`, [{ field, message }]);
}
