// What streams receive: everything in order and once, nothing behind a reset, and every byte of a window comes back, whatever became of it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Http2Stream } from "../../src/http2/index.ts";
import {
  data,
  END_STREAM,
  frame,
  headers,
  PADDED,
  PING,
  request,
  reset,
  WINDOW_UPDATE,
} from "../proxy-tls/support/http2-frames.ts";
import { type DrivenServer, openServer } from "./support/driven.ts";
import type { Taken } from "./support/told.ts";

const FIRST_WINDOW = 65_535;
const STREAMS = 100;
/** What streams may borrow together. */
const SPARE = 1024 * 1024;
const WHOLE = STREAMS * FIRST_WINDOW + SPARE;
/** Behind so many bytes the connection's window is given back. */
const CREDIT = 256 * 1024;

function padded(id: number, flags: number, body: Buffer, padding: number): Buffer {
  return data(id, flags | PADDED, Buffer.concat([Buffer.from([padding]), body, Buffer.alloc(padding)]));
}

/** A client that keeps to what it was given. */
class Client {
  readonly server: DrivenServer = openServer(STREAMS);
  window = WHOLE;
  sent = 0;
  /** Of open streams that it may send on. */
  readonly windows = new Map<number, number>();
  readonly bodies = new Map<number, Buffer[]>();
  #next = 1;

  open(flags: number): number {
    const id = this.#next;
    this.#next += 2;
    this.server.send(request(id, flags, "POST", "/"));
    this.bodies.set(id, []);
    if ((flags & END_STREAM) === 0) this.windows.set(id, FIRST_WINDOW);
    this.read();
    return id;
  }

  /** Sends as much as it may. The bytes come in parts that are `cut` long. */
  data(id: number, bytes: number, padding: number, flags: number, cut = 0): void {
    const window = this.windows.get(id) ?? 0;
    const most = Math.min(window, this.window, 16_384) - (padding > 0 ? padding + 1 : 0);
    if (most < 0 || !this.windows.has(id)) return;
    const body = Buffer.alloc(Math.min(bytes, most), this.sent + 1);
    const whole = padding > 0 ? padded(id, flags, body, padding) : data(id, flags, body);
    this.bodies.get(id)?.push(body);
    this.sent += whole.length - 9;
    this.window -= whole.length - 9;
    if ((flags & END_STREAM) !== 0) this.windows.delete(id);
    else this.windows.set(id, window - (whole.length - 9));
    if (cut === 0) this.server.send(whole);
    else for (let at = 0; at < whole.length; at += cut) this.server.send(whole.subarray(at, at + cut));
    this.read();
  }

  /** Reads what was given back, and which streams are no more. */
  read(): void {
    for (const { type, stream, payload } of this.server.frames()) {
      if (type === 3) this.windows.delete(stream);
      if (type !== WINDOW_UPDATE) continue;
      const bytes = payload.readUInt32BE(0);
      if (stream === 0) this.window += bytes;
      else if (this.windows.has(stream)) this.windows.set(stream, (this.windows.get(stream) ?? 0) + bytes);
    }
    assert.ok(this.window <= WHOLE, "more was given back than came");
    let borrowed = 0;
    for (const bytes of this.windows.values()) borrowed += Math.max(0, bytes - FIRST_WINDOW);
    assert.ok(borrowed <= SPARE, "more was given back than came, or lent than there is");
    assert.equal(this.server.code, undefined, this.server.told.fault?.message);
  }

  /** Every byte that came has been given back, or is counted: the window comes back whole at the very byte at which it should. */
  checkNothingLeaked(): void {
    assert.equal(this.server.connection.active, 0, "streams are left");
    const owed = WHOLE - this.window;
    assert.ok(owed < CREDIT, `${owed} bytes are owed`);
    let left = CREDIT - owed;
    const id = this.open(0);
    for (; left > 1; ) {
      const before = this.sent;
      this.data(id, Math.min(left - 1, 10_000), 0, 0);
      assert.ok(this.sent > before, "the stream is stuck");
      left -= this.sent - before;
      assert.ok(this.window < WHOLE, "more was given back than came");
    }
    this.data(id, 1, 0, 0);
    assert.equal(this.window, WHOLE, "less was given back than came");
  }
}

const sizes = fc.oneof(fc.nat(40), fc.nat(16_384));
const steps = fc.array(
  fc.record({
    of: fc.nat(5),
    act: fc.constantFrom(
      "data",
      "data",
      "data",
      "padded",
      "cut",
      "end",
      "endWithData",
      "trailers",
      "cancel",
      "pause",
      "resume",
      "serverResets",
      "serverAnswers",
      "resetsWithin",
      "pausesWithin",
    ),
    bytes: sizes,
  }),
  { maxLength: 80, size: "max" },
);

describe("the window of a connection", () => {
  test("comes back to the byte, behind any lawful client, any pauses and any resets (section 6.9)", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const client = new Client();
        const { server } = client;
        const ids = [0, 0, END_STREAM, 0, 0, 0].map((flags) => client.open(flags));
        const taken = new Map<number, Taken>(server.taken.map((one) => [one.stream.id, one]));
        for (const { of, act, bytes } of list) {
          const id = ids[of] ?? 0;
          const one = taken.get(id);
          assert.ok(one !== undefined);
          const { stream, told } = one;
          switch (act) {
            case "data":
              client.data(id, bytes, 0, 0);
              break;
            case "padded":
              client.data(id, bytes, 1 + (bytes % 200), 0);
              break;
            case "cut":
              client.data(id, bytes, bytes % 7, 0, 1 + (bytes % 700));
              break;
            case "end":
              client.data(id, 0, 0, END_STREAM);
              break;
            case "endWithData":
              client.data(id, bytes, bytes % 30, END_STREAM, bytes % 3_000);
              break;
            case "trailers":
              if (!client.windows.delete(id)) break;
              server.send(headers(id, END_STREAM, "x-trailer", "1"));
              break;
            case "cancel":
              if (stream.closed) break;
              client.windows.delete(id);
              server.send(reset(id, 8));
              // What had come whole could still be taken: its owner says that it never will.
              if (stream.received) stream.reset(8);
              break;
            case "pause":
              stream.pause();
              break;
            case "resume":
              stream.resume();
              break;
            case "serverResets":
              stream.reset(0);
              // What the client had under way when it could not know.
              client.data(id, bytes, bytes % 9, bytes % 2);
              break;
            case "serverAnswers":
              stream.sendHead([":status", "200"], true);
              break;
            case "resetsWithin":
              told.act = (what) => {
                if (what.startsWith("data")) stream.reset(0);
              };
              break;
            case "pausesWithin":
              told.act = () => stream.pause();
              break;
          }
        }
        for (const [index, id] of ids.entries()) {
          const one = taken.get(id);
          assert.ok(one !== undefined);
          one.told.act = () => {};
          // What a cancel cut off is gone with it, without a word of its owner.
          if (one.stream.closed && !one.stream.received) continue;
          if (index % 2 === 0) one.stream.reset(0);
          else {
            one.stream.resume();
            const body = Buffer.concat(client.bodies.get(id) ?? []);
            assert.ok(body.subarray(0, one.told.bytes.length).equals(one.told.bytes), "another body");
            if (one.told.log.includes("end")) assert.equal(one.told.bytes.length, body.length);
            one.stream.reset(0);
          }
        }
        client.checkNothingLeaked();
      }),
      { numRuns: 250 },
    );
  });
});

test("the window of a stream comes back for its padding too (section 6.1)", () => {
  const client = new Client();
  const id = client.open(0);
  for (let round = 0; round < 500; round += 1) {
    const before = client.sent;
    client.data(id, 300, 255, 0);
    assert.equal(client.sent - before, 556, `the stream is stuck behind ${client.sent} bytes`);
  }
});

describe("a stream that is paused", () => {
  test("and cancelled gives back the window of what waited, without a word of its owner", () => {
    const client = new Client();
    const id = client.open(0);
    const { stream } = client.server.request(0);
    stream.pause();
    client.data(id, 16_000, 0, 0);
    client.server.send(reset(id, 8));
    client.checkNothingLeaked();
  });

  test("is told nothing until it is resumed, not even its end; then all of it, in order", () => {
    const server = openServer();
    server.told.take = ({ stream }) => stream.pause();
    server.send(
      request(1, 0, "POST", "/"),
      data(1, 0, "one"),
      data(1, 0, "two"),
      headers(1, END_STREAM, "x-trailer", "1"),
    );
    const { stream, told } = server.request(0);
    assert.deepEqual(told.log, []);
    stream.resume();
    assert.equal(told.bytes.toString(), "onetwo");
    assert.equal(told.log.at(-1), "end x-trailer 1");
  });

  test("with END_STREAM in its head is told so when it is resumed", () => {
    const server = openServer();
    server.told.take = ({ stream }) => stream.pause();
    server.send(request(1, END_STREAM, "GET", "/"));
    const { stream, told } = server.request(0);
    assert.deepEqual(told.log, []);
    stream.resume();
    stream.pause();
    stream.resume();
    assert.deepEqual(told.log, ["end"]);
  });

  test("gives no window back, and the connection's others go on", () => {
    const server = openServer();
    server.told.take = ({ stream }) => {
      if (stream.id === 1) stream.pause();
    };
    server.send(request(1, 0, "POST", "/"), request(3, 0, "POST", "/"));
    server.frames();
    const piece = Buffer.alloc(13_107);
    for (let index = 0; index < 5; index += 1) server.send(data(1, 0, piece), data(3, 0, piece));
    const updates = server.frames().filter(({ type }) => type === WINDOW_UPDATE);
    assert.deepEqual(
      updates.map(({ stream, payload }) => [stream, payload.readUInt32BE(0)]),
      [[3, 39_321 + FIRST_WINDOW]],
    );
    const { stream, told } = server.request(0);
    stream.resume();
    assert.equal(told.bytes.length, FIRST_WINDOW);
    assert.equal(server.frames().filter(({ type, stream: id }) => type === WINDOW_UPDATE && id === 1).length, 1);
  });

  test("and paused again within what it is told, is told one piece each time", () => {
    const server = openServer();
    server.told.take = ({ stream, told }) => {
      stream.pause();
      told.act = () => stream.pause();
    };
    server.send(request(1, 0, "POST", "/"));
    const piece = Buffer.alloc(3_000, 1);
    server.send(data(1, 0, piece), data(1, 0, piece), data(1, END_STREAM, piece));
    const { stream, told } = server.request(0);
    for (const expected of [1, 2, 3]) {
      stream.resume();
      assert.equal(told.log.length, expected);
    }
    stream.resume();
    assert.deepEqual(told.log.slice(2), ["data 3000", "end"]);
  });
});

describe("the window of a stream whose body is taken as it comes", () => {
  /** Sends until the window has stopped growing. @returns the largest that it was */
  const widen = (client: Client, id: number): number => {
    let most = 0;
    for (let sent = client.sent; client.sent < sent + 4 * SPARE; ) {
      client.data(id, 16_384, 0, 0);
      most = Math.max(most, client.windows.get(id) ?? 0);
    }
    return most;
  };
  const whole = (most: number): void => assert.ok(most > SPARE, `${most} bytes were the most`);
  const narrow = (most: number): void => assert.ok(most <= FIRST_WINDOW, `${most} bytes were the most`);

  test("grows to what a connection has to spare, and no further; another one's does not then, and goes on", () => {
    const client = new Client();
    const most = widen(client, client.open(0));
    assert.ok(most <= FIRST_WINDOW + SPARE);
    whole(most);
    narrow(widen(client, client.open(0)));
  });

  test("is for others once the body has come, or is wanted no more, whoever says so", () => {
    const ends: readonly ((client: Client, id: number, stream: Http2Stream) => void)[] = [
      (client, id) => client.data(id, 0, 0, END_STREAM),
      (client, id, stream) => {
        stream.pause();
        client.data(id, 9_000, 0, END_STREAM);
        narrow(widen(client, client.open(0)));
        stream.resume();
      },
      (client, id, stream) => {
        stream.pause();
        client.data(id, 9_000, 0, END_STREAM);
        stream.sendHead([":status", "200"], true);
        narrow(widen(client, client.open(0)));
        stream.reset(8);
      },
      (client, id) => {
        client.windows.delete(id);
        client.server.send(reset(id, 8));
      },
      (client, id, stream) => {
        stream.pause();
        client.data(id, 0, 0, END_STREAM);
        client.server.send(reset(id, 8));
      },
      (_client, _id, stream) => stream.reset(8),
      (client, id, stream) => {
        stream.pause();
        client.data(id, 9_000, 0, 0);
        stream.reset(8);
      },
    ];
    const client = new Client();
    for (const end of ends) {
      const id = client.open(0);
      whole(widen(client, id));
      const { stream } = client.server.request(client.server.taken.length - 1);
      end(client, id, stream);
      client.read();
    }
    whole(widen(client, client.open(0)));
  });

  test("does not grow while the body waits", () => {
    const client = new Client();
    const id = client.open(0);
    const { stream, told } = client.server.request(0);
    told.act = () => stream.pause();
    for (let piece = 0; piece < 300; piece += 1) {
      client.data(id, 16_384, 0, 0);
      stream.resume();
      client.read();
      assert.ok((client.windows.get(id) ?? 0) <= FIRST_WINDOW);
    }
  });

  test("may be full of what nobody takes: every other stream has its own still", () => {
    const client = new Client();
    const id = client.open(0);
    widen(client, id);
    client.server.request(0).stream.pause();
    while ((client.windows.get(id) ?? 0) > 0) client.data(id, 16_384, 0, 0);
    client.server.told.take = ({ stream }) => stream.pause();
    for (let other = 1; other < STREAMS; other += 1) {
      const before = client.sent;
      const of = client.open(0);
      while ((client.windows.get(of) ?? 0) > 0 && client.window > 0) client.data(of, 16_384, 0, 0);
      // What the connection has taken and not yet said so is all that may lack.
      assert.ok(client.sent - before === FIRST_WINDOW || other > STREAMS - CREDIT / FIRST_WINDOW - 1);
    }
  });

  test("and that is cancelled may still be under way whole: that is nobody's fault", () => {
    const client = new Client();
    const id = client.open(0);
    widen(client, id);
    const window = client.windows.get(id) ?? 0;
    client.server.request(0).stream.reset(8);
    for (let sent = 0; sent + 16_384 <= window; sent += 16_384) client.server.send(data(id, 0, Buffer.alloc(16_384)));
    assert.equal(client.server.code, undefined, client.server.told.fault?.message);
  });
});

describe("owners that act within what they are told", () => {
  const acts = ["write", "end", "reset", "pause", "resume", "pauseAndResume", "stop", "otherResets", "drain"] as const;
  const body = [
    request(1, 0, "POST", "/"),
    request(3, 0, "POST", "/"),
    data(1, 0, "one"),
    data(1, 0, Buffer.alloc(5_000)),
    data(1, END_STREAM, "x"),
  ];
  const tail = [frame(PING, 0, 0, Buffer.alloc(8)), reset(1, 8), data(3, END_STREAM, "y")];

  test("whatever they do and whenever, nothing is told behind an end, nor written behind a stop", () => {
    const plans = fc.array(fc.record({ at: fc.nat(12), act: fc.constantFrom(...acts), on: fc.nat(1) }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(plans, fc.boolean(), (list, cut) => {
        const server = openServer();
        let notes = 0;
        let stopped = false;
        let resuming = 0;
        const resume = (stream: Http2Stream): void => {
          resuming += 1;
          stream.resume();
          resuming -= 1;
        };
        const over = new Set<string>();
        const run = (what: string, of: number): void => {
          // Who resumes a stream is told what waits, even then.
          assert.ok(!stopped || resuming > 0, `told behind the stop: ${what}`);
          assert.equal(over.has(`${of} reset`), false, `told behind the reset: ${what}`);
          // What came whole may still be taken.
          if (what === "reset 8" && server.taken[of]?.stream.received === false) over.add(`${of} reset`);
          const now = notes;
          notes += 1;
          for (const { at, act, on } of list) {
            const stream = server.taken[on]?.stream;
            if (at !== now || stream === undefined || stopped) continue;
            switch (act) {
              case "write":
                stream.write(Buffer.alloc(70_000));
                break;
              case "end":
                stream.end();
                break;
              case "reset":
                stream.reset(8);
                over.add(`${on} reset`);
                break;
              case "pause":
                stream.pause();
                break;
              case "resume":
                resume(stream);
                break;
              case "pauseAndResume":
                stream.pause();
                resume(stream);
                break;
              case "stop":
                stopped = true;
                server.connection.stop();
                server.sink.ended = true;
                break;
              case "otherResets":
                server.taken[1 - on]?.stream.reset(8);
                if (server.taken[1 - on] !== undefined) over.add(`${1 - on} reset`);
                break;
              case "drain":
                server.connection.drain();
                break;
            }
          }
        };
        server.told.take = ({ stream, told }) => {
          const of = (stream.id - 1) / 2;
          told.act = (what) => run(what, of);
          stream.sendHead([":status", "200"], false);
          run("request", of);
        };
        const bytes = Buffer.concat([...body, ...tail]);
        if (cut) for (let at = 0; at < bytes.length; at += 100) server.send(bytes.subarray(at, at + 100));
        else server.send(bytes);
        server.frames();
        for (const { stream } of server.taken) resume(stream);
        server.connection.output.flush();
        assert.equal(server.code, undefined, server.told.fault?.message);
        for (const { told } of server.taken) assert.ok(told.log.filter((what) => what.startsWith("end")).length <= 1);
      }),
      { numRuns: 400 },
    );
  });

  test("a reset within onData drops the rest of its frame, and the next stream is served", () => {
    const server = openServer();
    server.told.take = ({ stream, told }) => {
      told.act = (what) => {
        if (stream.id === 1 && what.startsWith("data")) stream.reset(8);
      };
    };
    const bytes = Buffer.concat([
      request(1, 0, "POST", "/"),
      data(1, END_STREAM, Buffer.alloc(100)),
      request(3, END_STREAM, "GET", "/"),
    ]);
    server.send(bytes.subarray(0, -120));
    server.send(bytes.subarray(-120));
    assert.deepEqual(server.request(0).told.log.length, 1);
    assert.deepEqual(server.request(1).told.log, ["end"]);
    assert.deepEqual(server.said(), ["1 reset 8"]);
  });

  test("streams that others reset while the connection fails are told once or never", () => {
    const server = openServer();
    server.told.take = ({ stream }) => stream.pause();
    server.send(request(1, 0, "POST", "/"), request(3, 0, "POST", "/"), request(5, END_STREAM, "GET", "/"));
    const [one, two, three] = [server.request(0), server.request(1), server.request(2)];
    one.told.act = () => {
      two.stream.reset(8);
      three.stream.end();
    };
    server.send(data(0, 0, "x"));
    assert.deepEqual(one.told.log, ["connection"]);
    assert.deepEqual(two.told.log, []);
    assert.ok(three.told.log.length <= 1, three.told.log.join());
    assert.equal(server.connection.active, 0);
  });
});
