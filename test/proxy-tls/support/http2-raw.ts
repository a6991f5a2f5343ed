// Peers that speak frames: a client that writes them to a server engine, and a target that answers a client engine with them.
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { ClientExchange, HttpClientConnection, RequestHead } from "../../../src/proxy-tls/http/exchange.ts";
import { openSocket } from "./http2-engines.ts";
import { ClientTold, requestHead } from "./http2-events.ts";
import { FrameReader, HEADERS, openingFrames, PREFACE } from "./http2-frames.ts";

export interface RawPeer {
  readonly socket: Socket;
  readonly frames: FrameReader;
}

/** Opens a connection as a client. `first` goes out in one write with the preface, so that it is read in one go. */
export async function openRawClient(port: number, first: Uint8Array = Buffer.alloc(0)): Promise<RawPeer> {
  const socket = await openSocket(port);
  const frames = new FrameReader(socket);
  socket.write(Buffer.concat([PREFACE, openingFrames(), first]));
  return { socket, frames };
}

export interface RawTarget extends Disposable {
  readonly port: number;
  /** The n-th connection, when it is there. */
  connection(index: number): Promise<RawPeer>;
  /** The stream of the n-th request of a connection, when its head has come. */
  requested(peer: RawPeer, index: number): Promise<number>;
  close(): void;
}

/** A target whose answers the test writes. */
export async function startRawTarget(opening: Uint8Array = openingFrames()): Promise<RawTarget> {
  const peers: RawPeer[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    peers.push({ socket, frames: new FrameReader(socket, { preface: PREFACE.length }) });
    socket.write(opening);
    for (const look of waiting.splice(0)) look();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const dispose = (): void => {
    server.close();
    for (const { socket } of peers) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    connection: (index) =>
      new Promise((resolve) => {
        const look = (): void => {
          const peer = peers[index];
          if (peer === undefined) waiting.push(look);
          else resolve(peer);
        };
        look();
      }),
    async requested({ frames }, index) {
      const stream = index * 2 + 1;
      await frames.find((frame) => frame.type === HEADERS && frame.stream === stream);
      return stream;
    },
    close: dispose,
    [Symbol.dispose]: dispose,
  };
}

/** The first request of a client engine, as both of its sides have it. */
export interface Requested {
  readonly told: ClientTold;
  readonly exchange: ClientExchange;
  readonly peer: RawPeer;
  readonly stream: number;
}

/** Sends the first request of a connection, and waits until the target has its head. */
export async function requestTo(
  target: RawTarget,
  connection: HttpClientConnection,
  head: RequestHead = requestHead(),
): Promise<Requested> {
  const told = new ClientTold();
  const exchange = connection.request(head, told);
  const peer = await target.connection(0);
  return { told, exchange, peer, stream: await target.requested(peer, 0) };
}
