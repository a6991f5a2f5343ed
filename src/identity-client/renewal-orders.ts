// Which authorities' holders were told to renew now, and which of these orders this source has obeyed. Each is obeyed once: a replica
// that lags behind, or a server that tells it with every change, must not become a storm of renewals.

/** An order: holders of a certificate by this authority renew at a moment drawn evenly from the spread. */
export interface RenewalOrder {
  /** Lower-case hex of the SPKI's SHA-256. */
  readonly authority: string;
  readonly spreadMs: number;
}

export class RenewalOrders {
  readonly #open = new Map<string, number>();
  readonly #obeyed = new Set<string>();

  /** Notes what was told. What was obeyed already is not told anew. */
  tell({ authority, spreadMs }: RenewalOrder): void {
    if (!this.#obeyed.has(authority)) this.#open.set(authority, spreadMs);
  }

  /** Whether anything is left to obey. */
  get any(): boolean {
    return this.#open.size > 0;
  }

  /** The spread for holders of a certificate by this authority, in milliseconds; undefined: no order, or obeyed already. */
  spreadFor(authority: string): number | undefined {
    return this.#open.get(authority);
  }

  obeyed(authority: string): void {
    this.#open.delete(authority);
    this.#obeyed.add(authority);
  }
}
