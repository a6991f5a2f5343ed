// Requests that came in one turn of the event loop go through the issuing steps together, after all of them were read from their
// sockets: code and tables of the elliptic-curve arithmetic then stay in the processor's caches (a verification between other
// work costs about a quarter more). Of a crowd only so many go at once, so that the loop stays responsive.

/** About 2 ms of work. */
const AT_ONCE = 16;

export class Stage {
  #waiting: (() => void)[] = [];

  /** Resolves in the next turn of the event loop, together with whoever else entered in this one. */
  enter(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) setImmediate(() => this.#release());
    });
  }

  #release(): void {
    const now = this.#waiting.splice(0, AT_ONCE);
    if (this.#waiting.length > 0) setImmediate(() => this.#release());
    for (const resolve of now) resolve();
  }
}
