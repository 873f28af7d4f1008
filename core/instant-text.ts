/**
 * Instants as ISO text and back, for what comes by the hundred: most are of the same millisecond as the one before, which is
 * remembered. To write one takes as long as a dozen other fields of a record.
 */

export function createInstantWriter(): (instant: Date) => string {
  let lastMs = Number.NaN;
  let lastText = "";
  return (instant) => {
    const ms = instant.getTime();
    if (ms !== lastMs) {
      lastText = instant.toISOString();
      lastMs = ms;
    }
    return lastText;
  };
}

/** Each a date of its own: dates can be changed. */
export function createInstantReader(): (text: string) => Date {
  let lastMs = Number.NaN;
  let lastText: string | undefined;
  return (text) => {
    if (text !== lastText) {
      lastMs = Date.parse(text);
      lastText = text;
    }
    return new Date(lastMs);
  };
}
