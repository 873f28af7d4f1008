/** node:console: the platform's, whose lines go to the run's log. */
const { console } = globalThis;

/** Writes to the streams that it is given, a line a call. */
class Console {
  constructor(options: { stdout?: { write(text: string): void }; stderr?: { write(text: string): void } }) {
    const { stdout, stderr = stdout } = "write" in options ? { stdout: options as never } : options;
    const { format } = (
      globalThis as unknown as {
        process: { getBuiltinModule(name: string): { format(...args: unknown[]): string } };
      }
    ).process.getBuiltinModule("util");
    const writeTo =
      (stream: { write(text: string): void } | undefined) =>
      (...args: unknown[]) =>
        stream?.write(`${format(...args)}\n`);
    Object.assign(this, console);
    for (const name of ["log", "info", "debug"]) (this as Record<string, unknown>)[name] = writeTo(stdout);
    for (const name of ["warn", "error", "trace"]) (this as Record<string, unknown>)[name] = writeTo(stderr);
  }
}

export default Object.assign(Object.create(console) as object, { ...console, Console });
