// Our Http2Client read out: what it tells and writes for a server's bytes in any pieces, and whether what it keeps is consistent behind them.
import { CANCEL, PREFACE } from "../../../src/http2/index.ts";
import { DATA, data, type Frame, RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { Asker, type Manner } from "./asker.ts";
import { UPLOADING } from "./client-requests.ts";
import { frameOf, framesOf } from "./frames-of.ts";
import { inWords, keptFault, writtenFault } from "./kept-and-written.ts";
import type { ClientReading, OurReading } from "./reading.ts";
import { WindowAccount } from "./window-account.ts";

/** Behind so many bytes of bodies the connection's window is given back (connection.ts). */
const CREDIT_BYTES = 256 * 1024;

export interface OurClientReading extends OurReading, ClientReading {
  /** Why streams were found to be malformed. */
  readonly reasons: ReadonlyMap<number, string>;
}

/** @param pieces the server's bytes @param areFrames each is a frame, and the last may be a part of one */
export function readWithOurClient(pieces: readonly Buffer[], manner: Manner, areFrames: boolean): OurClientReading {
  const asker = new Asker(manner);
  const { client, notes, sink } = asker;
  const account = new WindowAccount();
  const resets = new Map<number, number>();
  const judgedAt: number[] = [];
  const frames: Frame[] = [];
  let skip = PREFACE.length;
  const take = (): Frame[] => {
    client.output.flush();
    const written = framesOf(sink.take().bytes.subarray(skip));
    skip = 0;
    frames.push(...written);
    for (const frame of written) account.left(frame);
    return written;
  };
  take();
  let isWhole = false;
  let wrong: string | undefined;
  for (const piece of pieces) {
    const { at } = notes;
    const came = areFrames ? frameOf(piece) : undefined;
    isWhole = came !== undefined;
    if (came !== undefined) account.came(came);
    try {
      client.receive(piece);
    } catch (error) {
      notes.wrong ??= `thrown: ${String(error)}`;
    }
    for (const frame of take())
      if (frame.type === RST_STREAM && !resets.has(frame.stream)) resets.set(frame.stream, at);
    if (isWhole && !client.over) wrong ??= account.fault(client.sendWindow, client.table);
    if (client.over || client.unfinished === 0) while (judgedAt.length <= at) judgedAt.push(at);
    notes.at += 1;
    notes.silent ||= notes.end !== undefined;
  }
  const { end, log } = notes;
  wrong ??= notes.wrong ?? keptFault(client, notes.open) ?? writtenFault(frames, end !== undefined);
  const table = client.table.map((one) => `${one.id} ${one.sendWindow} ${one.received} ${one.sent} ${one.queued}`);
  log.push(`kept ${client.over || client.unfinished} ${client.sendWindow} ${table.sort().join(", ")}`);
  const written = inWords(frames);
  const codes = frames.flatMap(({ type, payload }) => (type === RST_STREAM ? [payload.readUInt32BE()] : []));
  asker.leave();
  if (client.active !== 0) wrong ??= `${client.active} streams are kept that were left`;
  if (isWhole && !client.over && client.unfinished === 0) wrong ??= creditFault(asker, account, take);
  client.stop();
  const uploaded = frames.reduce(
    (sum, { type, stream, payload }) => sum + (type === DATA && stream === UPLOADING ? payload.length : 0),
    0,
  );
  const { interims, failed, reasons } = asker;
  const reading = { messages: notes.messages, resets, end, judgedAt, log, written, codes, wrong: wrong ?? notes.wrong };
  return { ...reading, interims, failed, reasons, uploaded };
}

/** Every byte of bodies is given back: so many more, on a stream that is left, and all that is owed has to come. */
function creditFault({ client }: Asker, account: WindowAccount, take: () => Frame[]): string | undefined {
  take();
  const { connection, most } = account;
  const owed = most - connection.receive;
  if (owed < 0 || owed >= CREDIT_BYTES) return `${owed} bytes were not given back`;
  const stream = client.request([":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x"], true, IGNORING);
  stream.reset(CANCEL);
  for (let left = CREDIT_BYTES - owed; left > 0; left -= 16_384) {
    const bytes = Math.min(left, 16_384);
    client.tick(60_000);
    client.receive(data(stream.id, 0, Buffer.alloc(bytes)));
    connection.receive -= bytes;
    take();
    if (left > bytes && connection.receive > most - owed) return "more is given back than came";
  }
  return connection.receive === most ? undefined : `${most - connection.receive} bytes are never given back`;
}

const IGNORING = {
  onInterim: () => {},
  onHead: () => {},
  onData: () => {},
  onEnd: () => {},
  onSent: () => {},
  onWritable: () => {},
  onReset: () => {},
};
