// Calls whose request is one message: it is read when the request is whole.
import { decompress } from "./compression.ts";
import { unreadableFrame } from "./message-reader.ts";
import { ServerCall } from "./server-call.ts";

export abstract class SingleMessageCall extends ServerCall {
  /** The message came. */
  protected abstract serve(message: Buffer): void;

  protected override take(): void {
    this.reader.checkOne();
  }

  protected override wholeCame(): void {
    const message = this.reader.next();
    if (message === undefined) throw unreadableFrame("there is no whole message");
    this.serve(decompress(message, this.encoding, this.host.maxMessageBytes));
  }

  protected override closed(): void {}
}
