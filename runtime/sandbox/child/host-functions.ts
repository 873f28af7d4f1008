/** What guests may ask of the process around them; `Asker` is who hands a question on. */
export interface HostFunctions<Asker> {
  onMessage(asker: Asker, kind: string, no: number, text: string, bytes: Uint8Array | undefined): void;
  randomBytes(count: number): Uint8Array;
  domainToAscii(domain: string): string;
  /** "" where there is none of that name. */
  nodeModule(name: string): string;
}

const MAX_RANDOM_BYTES = 65_536;

/** The hostFunctions that guests call with whatever they like, and get an answer of at once. */
type AtOnce = "randomBytes" | "domainToAscii" | "nodeModule";

export function answerAtOnce(hostFunctions: Pick<HostFunctions<never>, AtOnce>) {
  return {
    randomBytes(count: unknown): Uint8Array {
      if (!Number.isInteger(count) || (count as number) < 0 || (count as number) > MAX_RANDOM_BYTES) {
        throw new RangeError("Too many random bytes at once.");
      }
      return hostFunctions.randomBytes(count as number);
    },
    domainToAscii: (domain: unknown): string => hostFunctions.domainToAscii(String(domain)),
    nodeModule: (name: unknown): string => hostFunctions.nodeModule(String(name)),
  };
}
