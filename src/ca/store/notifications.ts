// LISTEN on a connection of its own. It may miss what happens while it reconnects; therefore it says "" afterwards (look for
// yourself), and whoever depends on it polls as well.
import pg from "pg";
import type { Logger } from "../../runtime/index.ts";
import { toStoreError } from "./pg-errors.ts";

export interface Notifications {
  close(): Promise<void>;
}

export interface NotificationsOptions {
  readonly config: pg.ClientConfig;
  readonly channel: string;
  readonly onNotify: (payload: string) => void;
  readonly logger: Logger;
}

const RECONNECT_MS = [100, 500, 1_000, 2_000, 5_000] as const;

/** Listens; resolves when the first LISTEN is in force. @throws StoreError MCA_DATABASE_UNAVAILABLE */
export async function subscribe(options: NotificationsOptions): Promise<Notifications> {
  const { channel, config, logger, onNotify } = options;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;

  async function connect(): Promise<void> {
    const next = new pg.Client(config);
    let lost = false;
    const onLoss = () => {
      if (lost) return;
      lost = true;
      if (client === next) reconnectLater();
    };
    next.on("error", onLoss);
    next.on("end", onLoss);
    next.on("notification", (message) => onNotify(message.payload ?? ""));
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      await next.end().catch(() => {});
      throw toStoreError(error, `LISTEN ${channel}`);
    }
    if (closed) {
      await next.end();
      return;
    }
    client = next;
    failures = 0;
    if (lost) reconnectLater();
  }

  function reconnectLater(): void {
    if (closed) return;
    client = undefined;
    const delay = RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)];
    failures += 1;
    timer = setTimeout(() => {
      connect().then(
        () => onNotify(""),
        (error: unknown) => {
          logger.warn({ event: "database.listen-lost", channel, error }, "cannot listen for changes; polling goes on");
          reconnectLater();
        },
      );
    }, delay);
    timer.unref();
  }

  await connect();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      const open = client;
      client = undefined;
      await open?.end();
    },
  };
}
