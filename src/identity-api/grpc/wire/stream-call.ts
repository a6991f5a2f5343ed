// A call with one message in and any number out.
import { EventEmitter } from "node:events";
import type { FieldList, Http2Stream } from "../../../http2/index.ts";
import type { CallStatus, OutgoingFrames, StreamMethod } from "./method.ts";
import type { GrpcHead } from "./request-head.ts";
import type { CallHost } from "./server-call.ts";
import { SingleMessageCall } from "./single-message-call.ts";

export class StreamCall extends SingleMessageCall implements OutgoingFrames {
  readonly #method: StreamMethod;
  readonly #events = new EventEmitter();
  #needsDrain = false;

  constructor(host: CallHost, stream: Http2Stream, method: StreamMethod, head: GrpcHead, fields: FieldList) {
    super(host, stream, method.path, head, fields);
    this.#method = method;
  }

  // OutgoingFrames.

  get writableNeedDrain(): boolean {
    return this.#needsDrain;
  }

  write(frame: Buffer): boolean {
    if (this.cancelled()) return true;
    const taken = this.send(frame);
    if (!taken) this.#needsDrain = true;
    return taken;
  }

  once(event: "drain" | "close", listener: () => void): void {
    this.#events.once(event, listener);
  }

  protected override serve(message: Buffer): void {
    this.#method.serve(message, this, this).then(
      (status) => this.#ended(status),
      (fault: unknown) => this.host.fault(fault),
    );
  }

  protected override closed(): void {
    this.#events.emit("close");
  }

  override onWritable(): void {
    super.onWritable();
    this.#needsDrain = false;
    try {
      this.#events.emit("drain");
    } catch (error) {
      this.refuse(error);
    }
  }

  #ended(status: CallStatus | undefined): void {
    try {
      this.end(status);
    } catch (error) {
      this.host.fault(error);
    }
  }
}
