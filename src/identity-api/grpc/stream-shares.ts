// Who may hold how many of the streams that last: a bound for all, a share for one connection, and a quarter for all callers without a
// certificate together, because anybody can open connections without one. Of those the oldest stream makes room for the newest: who has to
// learn trust before it can enrol wants one snapshot, and gets it however many others sit and wait.
import { ApiError } from "../api-error.ts";

/** Whose stream it is: one object for each connection. */
export interface StreamPeer {
  /** False: nobody knows who it is; it came without a certificate, or with one that was refused. */
  readonly identified: boolean;
}

export interface StreamSharesOptions {
  /** What they are, in the plural, for people: "trust streams". */
  readonly what: string;
  /** Streams in all. */
  readonly most: number;
}

interface Stream {
  end(error: ApiError): void;
}

/** What one connection may take of all, and what it may always have: a process may have several sources. */
const SHARE_OF_A_PEER = 1 / 100;
const LEAST_OF_A_PEER = 16;
const SHARE_OF_UNKNOWN = 1 / 4;

export class StreamShares {
  readonly #options: StreamSharesOptions;
  readonly #ofPeer = new WeakMap<StreamPeer, number>();
  /** Of callers that nobody knows, the oldest first. */
  readonly #unknown = new Set<Stream>();
  #open = 0;

  constructor(options: StreamSharesOptions) {
    this.#options = options;
  }

  /**
   * Takes a place; answers how to give it back, harmless twice. `end` is called where the stream has to make room for another.
   * @throws ApiError MCA_OVERLOADED
   */
  take(peer: StreamPeer, end: (error: ApiError) => void): () => void {
    const { what, most } = this.#options;
    const own = this.#ofPeer.get(peer) ?? 0;
    const mostOfPeer = Math.max(LEAST_OF_A_PEER, Math.floor(most * SHARE_OF_A_PEER));
    if (own >= mostOfPeer) {
      throw new ApiError("MCA_OVERLOADED", `This connection has ${mostOfPeer} ${what} already. End one of them first.`);
    }
    const mostUnknown = Math.max(1, Math.floor(most * SHARE_OF_UNKNOWN));
    if (this.#open >= most || (!peer.identified && this.#unknown.size >= mostUnknown)) this.#endOldestUnknown();
    if (this.#open >= most) {
      throw new ApiError(
        "MCA_OVERLOADED",
        `This server has ${most} ${what} already. Try again later, or another replica.`,
      );
    }
    return this.#enter(peer, { end });
  }

  #enter(peer: StreamPeer, stream: Stream): () => void {
    this.#open += 1;
    this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 0) + 1);
    if (!peer.identified) this.#unknown.add(stream);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#open -= 1;
      this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 1) - 1);
      this.#unknown.delete(stream);
    };
  }

  /** Whoever is ended gives its place back. */
  #endOldestUnknown(): void {
    const [oldest] = this.#unknown;
    oldest?.end(
      new ApiError(
        "MCA_OVERLOADED",
        `Too many callers without a certificate hold ${this.#options.what}; this one made room for a newer. Come with a certificate.`,
      ),
    );
  }
}

/** For streams that the server's end ends. */
export function shuttingDown(): ApiError {
  return new ApiError(
    "MCA_SHUTTING_DOWN",
    "This server is shutting down. Connect again: another replica, or this one when it is back.",
  );
}
