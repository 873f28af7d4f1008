import { EgressError } from "./egress-error.ts";

export interface DecoderMemoryLimits {
  tenantBytes: number;
  totalBytes: number;
}

/**
 * What the windows of all decoders hold together. No run's memory limit counts them, and servers choose their size: a
 * tenant with many large answers at once must not fill the process.
 */
export class DecoderMemory {
  readonly #limits: DecoderMemoryLimits;
  readonly #byTenant = new Map<string, number>();
  #totalBytes = 0;

  constructor(limits: DecoderMemoryLimits) {
    this.#limits = limits;
  }

  /** Throws `overloaded`, and takes nothing. */
  take(tenant: string, bytes: number): void {
    const tenantBytes = (this.#byTenant.get(tenant) ?? 0) + bytes;
    if (tenantBytes > this.#limits.tenantBytes || this.#totalBytes + bytes > this.#limits.totalBytes) {
      throw new EgressError("overloaded", "Too many large encoded answers are read at once.");
    }
    this.#byTenant.set(tenant, tenantBytes);
    this.#totalBytes += bytes;
  }

  give(tenant: string, bytes: number): void {
    const left = (this.#byTenant.get(tenant) ?? 0) - bytes;
    if (left > 0) this.#byTenant.set(tenant, left);
    else this.#byTenant.delete(tenant);
    this.#totalBytes -= bytes;
  }
}
