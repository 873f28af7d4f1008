/** Days as limits of namespaces count them. */
const DAY_MS = 86_400_000;

/** The beginning of the day. */
export const utcDayOf = (at: Date): Date => new Date(Math.floor(at.getTime() / DAY_MS) * DAY_MS);

/** When the next one begins. */
export const nextUtcDay = (now: Date): Date => new Date(utcDayOf(now).getTime() + DAY_MS);
