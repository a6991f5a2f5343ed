// What stands between the protocol and the handlers: a method takes messages as bytes and gives whole gRPC frames; it knows neither streams of
// HTTP/2 nor what other methods do.
import type { Metadata } from "@grpc/grpc-js";
import type { Connection } from "../../connection.ts";

/** A call, as far as the protocol knows it. */
export interface IncomingCall {
  readonly connection: Connection;
  /** The value of a request header that came exactly once. */
  header(name: string): string | undefined;
  /** True once nobody waits for the answer any more. */
  cancelled(): boolean;
}

/** How a call ends that is not answered with OK. */
export interface CallStatus {
  /** gRPC status number. */
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export type UnaryAnswer =
  /** A whole gRPC frame (`frameOf`). */
  { readonly kind: "frame"; readonly frame: Buffer } | { readonly kind: "status"; readonly status: CallStatus };

/** One message in, one out. */
export interface UnaryMethod {
  readonly kind: "unary";
  /** "/package.Service/Method" */
  readonly path: string;
  /** Never rejects. */
  answer(message: Buffer, call: IncomingCall): Promise<UnaryAnswer>;
}

/** Where the messages of an answer go. */
export interface OutgoingFrames {
  /** @param frame a whole gRPC frame, which must not change any more @returns false: wait for "drain" */
  write(frame: Buffer): boolean;
  /** True from a `write` that said false to "drain". */
  readonly writableNeedDrain: boolean;
  /** "close": the call is over, whoever ended it. */
  once(event: "drain" | "close", listener: () => void): void;
}

/** One message in, any number out. */
export interface StreamMethod {
  readonly kind: "stream";
  readonly path: string;
  /** Resolves at the end of the call, to its status; undefined: OK. Never rejects. */
  serve(message: Buffer, call: IncomingCall, out: OutgoingFrames): Promise<CallStatus | undefined>;
}

/** What a method does with the messages of one call, in order. What it throws ends the call. */
export interface Conversation {
  onMessage(message: Buffer): void;
  /** No more messages come. */
  onEnd(): void;
}

/** How a conversation answers. */
export interface ConversationAnswers {
  /** @param frame a whole gRPC frame. While it waits for the peer, no message is told */
  write(frame: Buffer): void;
  /** Ends the call with OK. */
  end(): void;
}

/** Any number of messages in and out. */
export interface ConversationMethod {
  readonly kind: "conversation";
  readonly path: string;
  open(answers: ConversationAnswers): Conversation;
}

export type Method = UnaryMethod | StreamMethod | ConversationMethod;
