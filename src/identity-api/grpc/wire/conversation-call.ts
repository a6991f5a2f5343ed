// A call with any number of messages in and out, one after the other: while what was answered waits for the peer, no message is taken.
import type { FieldList, Http2Stream } from "../../../http2/index.ts";
import { decompress } from "./compression.ts";
import { unreadableFrame } from "./message-reader.ts";
import type { Conversation, ConversationMethod } from "./method.ts";
import type { GrpcHead } from "./request-head.ts";
import { type CallHost, ServerCall } from "./server-call.ts";

/** What a stream that is paused may have waiting: its window. */
const WINDOW_BYTES = 65_535;

export class ConversationCall extends ServerCall {
  readonly #conversation: Conversation;
  #behind = false;
  #whole = false;
  #told = false;

  constructor(host: CallHost, stream: Http2Stream, method: ConversationMethod, head: GrpcHead, fields: FieldList) {
    super(host, stream, method.path, head, fields);
    this.#conversation = method.open({
      write: (frame) => this.#write(frame),
      end: () => this.end(),
    });
  }

  protected override take(): void {
    while (!this.#behind && !this.cancelled()) {
      const message = this.reader.next();
      if (message === undefined) break;
      this.again();
      this.#conversation.onMessage(decompress(message, this.encoding, this.host.maxMessageBytes));
    }
    if (!this.#whole || this.#behind || this.#told || this.cancelled()) return;
    this.#told = true;
    if (this.reader.waiting > 0) throw unreadableFrame("it ends within a message");
    this.#conversation.onEnd();
  }

  protected override wholeCame(): void {
    this.#whole = true;
    this.look();
  }

  protected override closed(): void {
    this.#behind = false;
    this.reserved = 0;
    this.stream.resume();
  }

  override onWritable(): void {
    this.#behind = false;
    this.reserved = 0;
    super.onWritable();
    // First what is here: more of it is let in when it is all taken.
    this.look();
    if (!this.#behind) this.stream.resume();
  }

  #write(frame: Buffer): void {
    if (this.cancelled() || this.send(frame)) return;
    this.#behind = true;
    this.reserved = WINDOW_BYTES;
    this.stream.pause();
  }
}
