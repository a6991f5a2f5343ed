// Servers of ours on real sockets, each with a driver and an owner that notes what it is told; clients that write frames.
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect } from "node:tls";
import { Http2Server, INTERNAL_ERROR, SocketDriver, type SocketOwner } from "../../../src/http2/index.ts";
import { FrameReader, openingFrames, PREFACE } from "../../proxy-tls/support/http2-frames.ts";
import type { RawPeer } from "../../proxy-tls/support/http2-raw.ts";
import { until } from "../../support/until.ts";
import { startListener } from "../../tls/support/endpoints.ts";
import { type Taken, ToldServer } from "./told.ts";

export class DrivenOwner implements SocketOwner<string> {
  readonly socket: Socket;
  readonly told = new ToldServer();
  readonly http2: Http2Server;
  readonly driver: SocketDriver<string>;
  readonly faults: unknown[] = [];
  /** What a test does behind the note of each read, and of each step of the end. */
  acts: { read?: () => void; cut?: () => void; closed?: () => void } = {};
  reads = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    this.http2 = new Http2Server(socket, this.told, 100);
    this.driver = new SocketDriver(socket, this.http2, this);
  }

  get taken(): readonly Taken[] {
    return this.told.taken;
  }

  onRead(): void {
    this.reads += 1;
    this.acts.read?.();
  }

  onPeerGone(): void {
    this.told.log.push("peer gone");
    this.driver.end("peer gone");
  }

  fault(error: unknown): void {
    this.faults.push(error);
    this.driver.end("fault");
  }

  cut(why: string): void {
    this.told.log.push(`cut: ${why}`);
    for (const { stream } of this.taken) stream.reset(INTERNAL_ERROR);
    this.acts.cut?.();
  }

  onClosed(): void {
    this.told.log.push("closed");
    this.acts.closed?.();
  }

  /** What was told behind the beginning. */
  get said(): string[] {
    return this.told.log.filter((line) => line !== "settings");
  }
}

export interface DrivenServer extends AsyncDisposable {
  readonly port: number;
  readonly owners: readonly DrivenOwner[];
  /** The one of the nth connection, when it is there. */
  owner(index: number): Promise<DrivenOwner>;
}

/** Over TCP. @param setUp says what a new connection's owner does */
export async function startDriven(setUp: (owner: DrivenOwner) => void = () => {}): Promise<DrivenServer> {
  const owners: DrivenOwner[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const owner = new DrivenOwner(socket);
    owners.push(owner);
    setUp(owner);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    owners,
    owner: (index) => ownerAt(owners, index),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const { socket } of owners) socket.destroy();
    },
  };
}

/** Over TLS. */
export async function startDrivenTls(): Promise<DrivenServer> {
  const owners: DrivenOwner[] = [];
  const { port, [Symbol.asyncDispose]: dispose } = await startListener({
    onConnection: (socket) => void owners.push(new DrivenOwner(socket)),
  });
  return { port, owners, owner: (index) => ownerAt(owners, index), [Symbol.asyncDispose]: dispose };
}

async function ownerAt(owners: readonly DrivenOwner[], index: number): Promise<DrivenOwner> {
  await until(() => owners[index] !== undefined, "the connection");
  const owner = owners[index];
  if (owner === undefined) throw new Error("no such connection");
  return owner;
}

/** A client over TLS. `first` goes out in one write with the preface. */
export function openTlsClient(port: number, first: Uint8Array = Buffer.alloc(0)): RawPeer {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  const frames = new FrameReader(socket, { acknowledge: false });
  socket.write(Buffer.concat([PREFACE, openingFrames(), first]));
  return { socket, frames };
}

/** Calls back right behind the next write, which is still under way then. */
export function behindNextWrite(socket: Socket, act: () => void): void {
  const write = socket.write.bind(socket);
  socket.write = ((chunk: Uint8Array) => {
    socket.write = write;
    const taken = write(chunk);
    process.nextTick(act);
    return taken;
  }) as typeof socket.write;
}
