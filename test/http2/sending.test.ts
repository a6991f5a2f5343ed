// What streams send: windows are never exceeded, bytes keep their order, nobody starves, END_STREAM is on the last frame, and a peer that does not
// read makes everything wait.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Http2Stream } from "../../src/http2/index.ts";
import {
  CONTINUATION,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  HEADERS,
  PING,
  request,
  reset,
  settings,
  takeFrames,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { alive } from "./support/alive.ts";
import { type DrivenServer, openClient, openServer } from "./support/driven.ts";
import type { Taken } from "./support/told.ts";

const OK = [":status", "200"];
const KIBIBYTE = 1024;

function open(server: DrivenServer, count: number): readonly Taken[] {
  for (let index = 0; index < count; index += 1) server.send(request(2 * index + 1, END_STREAM, "GET", "/"));
  for (const { stream } of server.taken) stream.sendHead(OK, false);
  return server.taken;
}

function bytesOf(frames: readonly Frame[], id: number): number {
  return frames.reduce(
    (sum, { type, stream, payload }) => sum + (type === DATA && stream === id ? payload.length : 0),
    0,
  );
}

/** Writes `bytes` whenever it may, until `total` are written, and then ends. */
function upload(taken: Taken, total: number, bytes: number): void {
  let left = total;
  const more = (): void => {
    while (left > 0) {
      const piece = Buffer.alloc(Math.min(left, bytes), taken.stream.id);
      left -= piece.length;
      if (!taken.stream.write(piece)) break;
    }
    if (left === 0) taken.stream.end();
  };
  taken.told.act = (what) => {
    if (what === "writable") more();
  };
  more();
}

describe("END_STREAM", () => {
  test("is set on the last frame that has not left: HEADERS, DATA, or an empty DATA behind what has", () => {
    const server = openServer();
    const [one, two, three, four] = open(server, 4).map(({ stream }) => stream);
    assert.ok(one !== undefined && two !== undefined && three !== undefined && four !== undefined);
    one.end();
    two.write(Buffer.from("abc"));
    three.write(Buffer.alloc(5_000));
    two.end();
    assert.deepEqual(server.said(), [
      "1 :status 200 end",
      "3 :status 200",
      "5 :status 200",
      "7 :status 200",
      "3 data 3 end",
      "5 data 5000",
    ]);
    three.end();
    four.write(Buffer.from("x"));
    four.end(["x-trailer", "1"]);
    assert.deepEqual(server.said(), ["5 data 0 end", "7 data 1", "7 x-trailer 1 end"]);
    assert.equal(server.connection.active, 0);
  });

  test("is set on nothing else, whatever is written, flushed and ended between, on several connections that share memory", () => {
    const steps = fc.array(
      fc.record({
        on: fc.nat(2),
        of: fc.nat(3),
        act: fc.constantFrom("write", "write", "large", "end", "trailers", "flush", "ping"),
        bytes: fc.integer({ min: 1, max: 3_000 }),
      }),
      { minLength: 1, maxLength: 150, size: "max" },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const servers = [openServer(), openServer(), openServer()];
        const sent = servers.map((server) =>
          open(server, 4).map(() => ({ body: [] as Buffer[], ended: false, trailers: false })),
        );
        const got = servers.map(() => [] as Frame[]);
        for (const { on, of, act, bytes } of list) {
          const server = servers[on];
          const state = sent[on]?.[of];
          const stream = server?.taken[of]?.stream;
          assert.ok(server !== undefined && state !== undefined && stream !== undefined);
          if (act === "flush") got[on]?.push(...server.frames());
          else if (act === "ping") server.send(frame(PING, 0, 0, Buffer.alloc(8, on + 1)));
          else if (state.ended) continue;
          else if (act === "end" || act === "trailers") {
            state.ended = true;
            state.trailers = act === "trailers";
            stream.end(state.trailers ? ["x-of", `${on} ${of}`] : []);
          } else {
            const piece = Buffer.alloc(act === "large" ? bytes + 2_048 : bytes, 16 * on + of + 1);
            state.body.push(piece);
            stream.write(piece);
          }
        }
        for (const [on, server] of servers.entries()) {
          // Windows open, so that all comes out.
          server.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 24));
          for (let frames = server.frames(); frames.length > 0; frames = server.frames()) got[on]?.push(...frames);
          for (const [of, { body, ended, trailers }] of (sent[on] ?? []).entries()) {
            const frames = (got[on] ?? []).filter(({ stream }) => stream === 2 * of + 1);
            const payload = Buffer.concat(frames.filter(({ type }) => type === DATA).map((one) => one.payload));
            assert.ok(payload.equals(Buffer.concat(body)), "another body");
            const ends = frames.map(({ flags }) => flags & END_STREAM);
            assert.deepEqual(
              ends,
              ends.map((_, index) => (ended && index === ends.length - 1 ? 1 : 0)),
            );
            assert.equal(frames.at(-1)?.type === 1 && frames.length > 1, trailers);
          }
          const pings = (got[on] ?? []).filter(({ type }) => type === PING);
          assert.ok(
            pings.every(({ payload }) => payload.equals(Buffer.alloc(8, on + 1))),
            "another connection's bytes",
          );
        }
      }),
      { numRuns: 150 },
    );
  });
});

test("END_STREAM is not set on an interim head behind which a long head was cut into frames", () => {
  const server = openServer();
  server.send(request(1, END_STREAM, "GET", "/"));
  const { stream } = server.request(0);
  stream.sendHead([":status", "103"], false);
  stream.sendHead([...OK, "x-long", "v".repeat(20_000)], false);
  stream.end();
  assert.deepEqual(
    server.frames().map(({ type, flags }) => [type, flags]),
    [
      [HEADERS, END_HEADERS],
      [HEADERS, 0],
      [CONTINUATION, END_HEADERS],
      [DATA, END_STREAM],
    ],
  );
});

describe("windows", () => {
  test("are never exceeded, whatever the peer gives and takes back, and all comes in the end (sections 6.9.1, 6.9.2)", () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("update" as const), id: fc.nat(3), bytes: fc.integer({ min: 1, max: 30_000 }) }),
        fc.record({ kind: fc.constant("first" as const), bytes: fc.nat(80_000) }),
        fc.record({
          kind: fc.constant("write" as const),
          id: fc.integer({ min: 1, max: 3 }),
          bytes: fc.integer({ min: 1, max: 40_000 }),
        }),
        fc.record({ kind: fc.constant("flush" as const) }),
      ),
      { maxLength: 60, size: "max" },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const server = openServer();
        server.sink.holds = true;
        const streams = open(server, 3).map(({ stream }) => stream);
        const windows = new Map([0, 1, 3, 5].map((id) => [id, 65_535]));
        const written = new Map<number, number>();
        const read = new Map<number, number>();
        let first = 65_535;
        const give = (id: number, bytes: number): number => {
          windows.set(id, (windows.get(id) ?? 0) + bytes);
          return windows.get(id) ?? 0;
        };
        // What was sent before a window shrank may come behind that: it is judged by what the peer had given when it left, and so is what a look
        // itself lets out, because then there is room again.
        const look = (): void => {
          for (let frames = server.frames(); frames.length > 0; frames = server.frames()) {
            for (const { type, stream, payload } of frames) {
              if (type !== DATA || payload.length === 0) continue;
              assert.ok(payload.length <= 16_384);
              assert.ok(give(stream, -payload.length) >= 0, "beyond the stream's window");
              assert.ok(give(0, -payload.length) >= 0, "beyond the connection's window");
              read.set(stream, (read.get(stream) ?? 0) + payload.length);
            }
          }
        };
        for (const step of list) {
          look();
          if (step.kind === "update") {
            const id = step.id === 0 ? 0 : 2 * step.id - 1;
            give(id, step.bytes);
            server.send(windowUpdate(id, step.bytes));
          } else if (step.kind === "first") {
            for (const id of [1, 3, 5]) give(id, step.bytes - first);
            first = step.bytes;
            server.send(settings([4, first]));
          } else if (step.kind === "write") {
            const stream: Http2Stream | undefined = streams[step.id - 1];
            stream?.write(Buffer.alloc(step.bytes));
            written.set(2 * step.id - 1, (written.get(2 * step.id - 1) ?? 0) + step.bytes);
          }
        }
        look();
        for (const stream of streams) stream.end();
        server.send(
          windowUpdate(0, 2 ** 30),
          windowUpdate(1, 2 ** 30),
          windowUpdate(3, 2 ** 30),
          windowUpdate(5, 2 ** 30),
        );
        for (const id of [0, 1, 3, 5]) give(id, 2 ** 30);
        for (let before = -1; before !== read.size + [...read.values()].reduce((sum, bytes) => sum + bytes, 0); ) {
          before = read.size + [...read.values()].reduce((sum, bytes) => sum + bytes, 0);
          look();
        }
        for (const [id, bytes] of written) assert.equal(read.get(id), bytes);
        assert.equal(server.connection.active, 0);
        assert.equal(server.code, undefined, server.told.fault?.message);
      }),
      { numRuns: 200 },
    );
  });

  test("that SETTINGS make negative have to become positive first (section 6.9.2)", () => {
    const server = openServer();
    const [taken] = open(server, 1);
    assert.ok(taken !== undefined);
    taken.stream.write(Buffer.alloc(65_535));
    server.frames();
    server.send(settings([4, 1_000]), windowUpdate(0, 100_000));
    taken.stream.write(Buffer.alloc(10));
    server.send(windowUpdate(1, 64_535));
    assert.deepEqual(server.said(), [], "the window is 0");
    server.send(windowUpdate(1, 3));
    assert.deepEqual(server.said(), ["1 data 3"]);
    server.send(settings([4, 1_002]));
    assert.deepEqual(server.said(), ["1 data 2"]);
    server.send(settings([4, 65_535]));
    assert.deepEqual(server.said(), ["1 data 5"]);
    assert.equal(taken.told.log.at(-1), "writable");
  });

  test("of a stream that was opened behind the change are the new ones; CONTINUATION and HEADERS need none", () => {
    const server = openServer();
    server.send(settings([4, 0]));
    const [taken] = open(server, 1);
    taken?.stream.write(Buffer.from("x"));
    taken?.stream.end();
    assert.deepEqual(server.said(), ["1 :status 200"]);
    server.send(windowUpdate(1, 1));
    assert.deepEqual(server.said(), ["1 data 1 end"]);
  });
});

describe("streams that share a connection", () => {
  for (const [what, count, step] of [
    ["its window, given back in small steps", 8, 16_384],
    ["its window, given back in steps smaller than a frame", 5, 1_000],
  ] as const) {
    test(`share ${what}`, () => {
      const server = openServer();
      server.send(settings([4, 2 ** 24]));
      for (const taken of open(server, count)) upload(taken, 2 ** 22, 64 * KIBIBYTE);
      const frames = server.frames();
      for (let round = 0; round < 4 * count; round += 1) {
        server.send(windowUpdate(0, step));
        frames.push(...server.frames());
      }
      const shares = server.taken.map(({ stream }) => bytesOf(frames, stream.id));
      // The first had the first window for itself: nobody else was there.
      const others = shares.slice(1);
      assert.ok(Math.min(...others) >= Math.max(...others) / 2 && Math.min(...others) >= step, shares.join(" "));
    });
  }

  test("share what the socket takes at a time", () => {
    const server = openServer();
    server.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 29));
    server.sink.holds = true;
    for (const taken of open(server, 12)) upload(taken, 2 ** 22, 256 * KIBIBYTE);
    const frames: Frame[] = [];
    for (let round = 0; round < 24; round += 1) frames.push(...server.frames());
    const shares = server.taken.map(({ stream }) => bytesOf(frames, stream.id)).slice(1);
    assert.ok(Math.min(...shares) >= Math.max(...shares) / 3 && Math.min(...shares) > 0, shares.join(" "));
  });
});

describe("a peer that does not read", () => {
  test("makes bodies wait behind 64 KiB, and is sent the rest when it reads, each byte once", () => {
    const server = openServer();
    server.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 29));
    server.sink.holds = true;
    const [taken] = open(server, 1);
    assert.ok(taken !== undefined);
    upload(taken, 2 ** 21, 10_000);
    server.connection.output.flush();
    assert.ok(server.sink.writableLength < 128 * KIBIBYTE, `${server.sink.writableLength} bytes wait`);
    assert.ok(taken.stream.queued <= 10_000);
    let bytes = 0;
    for (let round = 0; round < 200 && !taken.stream.sent; round += 1) bytes += bytesOf(server.frames(), 1);
    assert.equal(bytes + bytesOf(server.frames(), 1), 2 ** 21);
    assert.deepEqual(taken.told.log.slice(-1), ["sent"]);
  });

  test("makes a body wait that was written at once, behind 64 KiB of it", () => {
    const server = openServer();
    server.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 29));
    server.sink.holds = true;
    const [taken] = open(server, 1);
    assert.equal(taken?.stream.write(Buffer.alloc(2 ** 20)), false);
    server.connection.output.flush();
    assert.ok(server.sink.writableLength < 128 * KIBIBYTE, `${server.sink.writableLength} bytes wait`);
  });

  test("and reads, which we are not told yet: what is written then does not overtake what waits", () => {
    const server = openServer();
    server.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 29));
    server.sink.holds = true;
    const [taken] = open(server, 1);
    taken?.stream.write(Buffer.alloc(2 ** 18, 1));
    server.connection.output.flush();
    const parts = [server.sink.take().bytes];
    taken?.stream.write(Buffer.alloc(5, 2));
    taken?.stream.end();
    for (let round = 0; round < 20; round += 1) {
      server.connection.drained();
      server.connection.output.flush();
      parts.push(server.sink.take().bytes);
    }
    const body = Buffer.concat(
      takeFrames(Buffer.concat(parts)).frames.flatMap(({ type, payload }) => (type === DATA ? [payload] : [])),
    );
    assert.ok(body.equals(Buffer.concat([Buffer.alloc(2 ** 18, 1), Buffer.alloc(5, 2)])));
  });

  test("is not read behind 256 KiB of answers, and is again when it reads", () => {
    const server = openServer();
    server.sink.holds = true;
    const long = "v".repeat(4_000);
    server.told.take = ({ stream }) => stream.sendHead([...OK, "x-long", long, "x-id", `${stream.id}`], true);
    let id = 1;
    for (; id < 1_001 && !server.sink.paused; id += 2) server.send(request(id, END_STREAM, "GET", "/"));
    assert.ok(server.sink.paused);
    assert.ok(server.connection.output.backlog < 300 * KIBIBYTE, `${server.connection.output.backlog} bytes`);
    server.frames();
    assert.equal(server.sink.paused, false);
    server.send(request(id, END_STREAM, "GET", "/"));
    assert.equal(server.taken.at(-1)?.stream.id, id);
  });

  test("keeps no memory but what waits, however many small writes of others came between", () => {
    const [slow, busy] = [openServer(), openServer()];
    slow.sink.holds = true;
    busy.sink.holds = true;
    const ping = frame(PING, 0, 0, Buffer.alloc(8));
    slow.send(ping);
    slow.connection.output.flush();
    busy.send(settings([4, 2 ** 24]), windowUpdate(0, 2 ** 29));
    const [taken] = open(busy, 1);
    for (let round = 0; round < 50; round += 1) {
      slow.send(ping);
      slow.connection.output.flush();
      for (let index = 0; index < 40; index += 1) taken?.stream.write(Buffer.alloc(2_000));
      busy.frames();
    }
    assert.ok(slow.sink.pinned < 200 * KIBIBYTE, `${slow.sink.pinned} bytes are kept for ${slow.sink.writableLength}`);
  });

  test("gets a stream that ended while it waited out of the list of those that wait", async () => {
    const client = openClient();
    client.send(settings([4, 0]));
    // Answered early, a thousand times: each upload still waits for a window that never comes.
    const weak: WeakRef<object>[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      const { stream } = client.request(false);
      stream.write(Buffer.from("x"));
      stream.reset(8);
      weak.push(new WeakRef(stream));
    }
    assert.equal(client.connection.active, 0);
    const left = await alive(weak);
    assert.ok(left <= 64, `${left} live`);
  });
});

describe("bodies that were queued", () => {
  test("are dropped with their stream, by either side's reset, and take no window of others", () => {
    const server = openServer();
    const [one, two] = open(server, 2);
    assert.ok(one !== undefined && two !== undefined);
    one.stream.write(Buffer.alloc(70_000));
    server.frames();
    two.stream.write(Buffer.from("rest"));
    server.send(reset(1, 8), windowUpdate(0, 100));
    assert.deepEqual(server.said(), ["3 data 4"]);
    assert.deepEqual(one.told.log, ["end", "reset 8"]);
    assert.deepEqual(two.told.log, ["end", "writable"]);
    assert.equal(one.stream.queued, 0);
  });

  test("END_STREAM waits behind them, trailers too, and onSent tells when it is on its way", () => {
    const server = openServer();
    const [one] = open(server, 1);
    assert.ok(one !== undefined);
    one.stream.write(Buffer.alloc(65_536));
    one.stream.end(["x-trailer", "1"]);
    one.stream.write(Buffer.from("nothing is written behind the end"));
    one.stream.end();
    server.frames();
    assert.deepEqual(one.told.log, ["end"]);
    assert.equal(one.stream.sent, false);
    server.send(windowUpdate(0, 10), windowUpdate(1, 10));
    assert.deepEqual(server.said(), ["1 data 1", "1 x-trailer 1 end"]);
    assert.deepEqual(one.told.log, ["end", "sent"]);
    assert.equal(server.connection.active, 0);
    server.send(data(1, 0, ""));
  });
});
