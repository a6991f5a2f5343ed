// A call with one message in and one out: head, message and trailers of its answer leave in one write.
import type { FieldList, Http2Stream } from "../../../http2/index.ts";
import type { UnaryAnswer, UnaryMethod } from "./method.ts";
import type { GrpcHead } from "./request-head.ts";
import type { CallHost } from "./server-call.ts";
import { SingleMessageCall } from "./single-message-call.ts";

export class UnaryCall extends SingleMessageCall {
  readonly #method: UnaryMethod;

  constructor(host: CallHost, stream: Http2Stream, method: UnaryMethod, head: GrpcHead, fields: FieldList) {
    super(host, stream, method.path, head, fields);
    this.#method = method;
  }

  protected override serve(message: Buffer): void {
    this.#method.answer(message, this).then(
      (answer) => this.#answer(answer),
      (fault: unknown) => this.host.fault(fault),
    );
  }

  #answer(answer: UnaryAnswer): void {
    if (this.cancelled()) return;
    try {
      if (answer.kind === "frame") {
        this.send(answer.frame);
        this.end();
      } else this.end(answer.status);
    } catch (error) {
      this.host.fault(error);
    }
  }
}
