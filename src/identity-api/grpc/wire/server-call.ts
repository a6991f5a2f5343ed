// One call on a stream of HTTP/2: what has come of its request, its deadline, its status. What a kind of method does with messages is in the
// classes that extend it.
//
//   coming (the request is not whole) -> served -> over (answered, refused or left; the rest of the request is dropped, up to a bound)
import { CANCEL, type FieldList, type Http2Stream, NO_ERROR, type StreamOwner } from "../../../http2/index.ts";
import type { Connection } from "../../connection.ts";
import {
  connectionHoldsTooMuch,
  deadlineExceeded,
  requestTimedOut,
  statusFor,
  timeoutUnreadable,
} from "../coded-status.ts";
import type { WaitingRequest } from "../waiting-requests.ts";
import { MessageReader } from "./message-reader.ts";
import type { CallStatus, IncomingCall } from "./method.ts";
import { type GrpcHead, headerOf, parseTimeout } from "./request-head.ts";
import { HEAD, OK, trailersOf, trailersOnly } from "./response.ts";

/** What a call uses of its connection. */
export interface CallHost {
  readonly peer: Connection;
  readonly maxMessageBytes: number;
  /** Notes a call whose request has not wholly come; `end` is called when it takes too long. */
  begin(end: () => void): WaitingRequest;
  /** Bytes that wait here for the peer, more or (below 0) less. @returns false: more than one connection may have */
  hold(bytes: number): boolean;
  /** A call was refused by the protocol, or failed in it. */
  refused(method: string, error: unknown): void;
  /** A call is over, and its stream closed. */
  left(): void;
  /** Something of ours is broken: ends the connection. */
  fault(error: unknown): void;
}

/** What may still come on a refused call, unread: a peer that is reset while it sends may never see why it was refused. */
const REFUSED_BYTES = 4 * 1024 * 1024;
const REFUSED_MS = 1000;
/** Longer deadlines are rounded up to it: timers of one length share a list, and the caller keeps its own deadline anyway. */
const DEADLINE_STEP_MS = 1000;

export abstract class ServerCall implements StreamOwner, IncomingCall {
  readonly path: string;
  protected readonly host: CallHost;
  protected readonly stream: Http2Stream;
  protected readonly reader: MessageReader;
  protected readonly encoding: string | undefined;
  /** Bytes that may wait below this call, and count as if they were here. */
  protected reserved = 0;
  readonly #fields: FieldList;
  #waiting: WaitingRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #begun = false;
  #held = 0;
  #dropped = 0;

  /** @param path as we know it, never as the caller wrote it */
  constructor(host: CallHost, stream: Http2Stream, path: string, head: GrpcHead, fields: FieldList) {
    this.host = host;
    this.stream = stream;
    this.path = path;
    this.encoding = head.encoding;
    this.#fields = fields;
    this.reader = new MessageReader(host.maxMessageBytes);
    stream.owner = this;
  }

  /** Its time begins. @param timeout value of grpc-timeout */
  begin(timeout: string | undefined): void {
    this.#waiting = this.host.begin(() => this.refuse(requestTimedOut()));
    if (timeout !== undefined) this.#setDeadline(timeout);
  }

  /** Looks at the messages that have come. What it throws refuses the call. */
  protected abstract take(): void;
  /** The request is whole. The same. */
  protected abstract wholeCame(): void;
  /** The call is over, whoever ended it. */
  protected abstract closed(): void;

  // IncomingCall.

  get connection(): Connection {
    return this.host.peer;
  }

  header(name: string): string | undefined {
    return headerOf(this.#fields, name);
  }

  cancelled(): boolean {
    return this.#over;
  }

  // What kinds of calls use.

  /** A part of a request that goes on for long: its time begins anew. */
  protected again(): void {
    this.#waiting?.again();
  }

  /** Sends a frame, behind the head. @returns false: it waits */
  protected send(frame: Buffer): boolean {
    if (!this.#begun) {
      this.#begun = true;
      this.stream.sendHead(HEAD, false);
    }
    const taken = this.stream.write(frame);
    if (!taken) this.#hold();
    return taken;
  }

  /**
   * Ends the call.
   * @param status undefined: OK
   * @param httpStatus of a request that is none of gRPC
   */
  end(status?: CallStatus, httpStatus?: string): void {
    if (this.#over) return;
    this.#finish();
    const { stream } = this;
    if (status === undefined) {
      if (!this.#begun) stream.sendHead(HEAD, false);
      stream.end(OK);
    } else if (this.#begun) stream.end(trailersOf(status));
    else stream.sendHead(trailersOnly(status, httpStatus), true);
    // A peer that never ends its half, or never reads why it was refused, would keep the stream.
    if (status !== undefined && !stream.closed) this.#timer = setTimeout(() => this.#reset(), REFUSED_MS);
  }

  /** Refuses the call: the caller made a mistake, or came too late. Never throws. */
  refuse(error: unknown, httpStatus?: string): void {
    if (this.#over) return;
    try {
      this.host.refused(this.path, error);
      this.end(statusFor(error), httpStatus);
    } catch (fault) {
      this.host.fault(fault);
    }
  }

  // StreamOwner.

  onInterim(): void {}

  onHead(): void {}

  onData(piece: Uint8Array): void {
    if (this.#over) {
      this.#dropped += piece.length;
      if (this.#dropped > REFUSED_BYTES) this.#reset();
      return;
    }
    this.reader.add(piece);
    this.look();
  }

  onEnd(): void {
    this.#waiting?.done();
    if (this.#over) {
      if (this.stream.closed) this.#leave();
      return;
    }
    try {
      this.wholeCame();
    } catch (error) {
      this.refuse(error);
    }
  }

  onSent(): void {
    if (this.stream.closed) this.#leave();
  }

  onWritable(): void {
    this.#hold();
  }

  onReset(): void {
    if (!this.#over) this.#finish();
    this.#leave();
  }

  /** Takes what has come, as far as it can be taken now. */
  protected look(): void {
    try {
      this.take();
      this.reader.keep();
      if (!this.#hold() && !this.#over) throw connectionHoldsTooMuch();
    } catch (error) {
      this.refuse(error);
    }
  }

  /** @returns false: this connection holds more than it may */
  #hold(): boolean {
    const held = this.reader.waiting + this.stream.queued + this.reserved;
    const more = held - this.#held;
    this.#held = held;
    return more === 0 || this.host.hold(more) || more < 0;
  }

  #setDeadline(value: string): void {
    const timeoutMs = parseTimeout(value);
    if (timeoutMs === undefined) this.refuse(timeoutUnreadable());
    else this.#timer = setTimeout(() => this.refuse(deadlineExceeded()), timerMs(timeoutMs));
  }

  #finish(): void {
    this.#over = true;
    this.reader.clear();
    this.#waiting?.done();
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.closed();
  }

  #reset(): void {
    this.stream.reset(this.stream.sent ? NO_ERROR : CANCEL);
    this.#leave();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held !== 0) this.host.hold(-this.#held);
    this.#held = 0;
    this.host.left();
  }
}

function timerMs(timeoutMs: number): number {
  const rounded = timeoutMs < DEADLINE_STEP_MS ? timeoutMs : Math.ceil(timeoutMs / DEADLINE_STEP_MS) * DEADLINE_STEP_MS;
  // setTimeout fires at once beyond 2^31 - 1.
  return Math.min(rounded, 2 ** 31 - 1);
}
