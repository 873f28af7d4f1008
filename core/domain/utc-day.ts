/** The beginning of a day, as limits of namespaces count days. */
const DAY_MS = 86_400_000;

export const utcDayOf = (at: Date): Date => new Date(Math.floor(at.getTime() / DAY_MS) * DAY_MS);
