/** What the program ends with; docs/cli.md has the table. */
export const EXIT = {
  ok: 0,
  /** What was asked for did not work: a run that failed, source that does not build, a refusal. */
  failed: 1,
  /** The command line is wrong, or a question cannot be asked because there is no terminal. */
  usage: 2,
  /** Not signed in, or the key may not do it. */
  forbidden: 3,
  notFound: 4,
  /** No answer, or one that says to try again. */
  unreachable: 5,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
