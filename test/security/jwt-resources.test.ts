// Tokens and key servers that cost: too large, too slow, too many, or pointing somewhere else.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  attestorOf,
  claims,
  encode,
  jwks,
  rawToken,
  serve,
  testKey,
  token,
} from "../identity-api/attest/jwt-support.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { until } from "../support/until.ts";

async function codeOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    assert(error instanceof Error && "code" in error && typeof error.code === "string", String(error));
    return error.code;
  }
}

/** Milliseconds of our own CPU. */
async function cpuOf(run: () => Promise<unknown>): Promise<number> {
  const started = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

test("a token beyond 16 KiB is refused before it is read", async () => {
  const web = await serve((_, response) => response.end(jwks(testKey())));
  try {
    const { attestor } = attestorOf({ jwksUrl: web.url });
    const large = await token(claims({ padding: "x".repeat(16_384) }));
    const cpu = await cpuOf(async () => {
      for (let n = 0; n < 100; n++) assert.equal(await codeOf(attestor.attest(large)), "MCA_JWT_TOO_LARGE");
      assert.equal(await codeOf(attestor.attest("x".repeat(50_000_000))), "MCA_JWT_TOO_LARGE");
    });
    assert(cpu < 1000, `${cpu} ms`);
    assert.equal(web.requests.length, 0);
  } finally {
    await web.close();
  }
});

test("texts that make JSON readers slow or deep are refused quickly", async () => {
  const folder = await temporaryFolder();
  try {
    const jwksFile = join(folder, "keys.json");
    await writeFile(jwksFile, jwks(testKey()));
    const { attestor } = attestorOf({ jwksFile });
    const header = '{"alg":"ES256","kid":"key-1"}';
    const cpu = await cpuOf(async () => {
      for (const payload of [
        "[".repeat(10_000),
        '{"a":'.repeat(2000),
        `{"a":"${"\\\\".repeat(5000)}`,
        `{"a":"${"x".repeat(11_000)}`,
        `{"a":"${"\\u0061".repeat(1800)}`,
        " ".repeat(11_000),
        `{"a":${"9".repeat(11_000)}}`,
        `{${Array.from({ length: 900 }, (_, index) => `"k${index}":1`).join(",")},"k0":2}`,
      ]) {
        assert.equal(
          await codeOf(attestor.attest(rawToken(header, payload))),
          "MCA_JWT_MALFORMED",
          payload.slice(0, 20),
        );
      }
    });
    assert(cpu < 2000, `${cpu} ms`);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a flood of unknown kids reaches the issuer once in ten seconds", async () => {
  const web = await serve((_, response) => response.end(jwks(testKey())));
  try {
    const { attestor, clock } = attestorOf({ jwksUrl: web.url });
    await attestor.attest(await token());
    clock.advance(10_000);
    const flood = (from: number) =>
      Promise.all(
        Array.from({ length: 300 }, (_, index) => {
          const header = JSON.stringify({ alg: "ES256", kid: `invented-${from + index}` });
          return codeOf(attestor.attest(rawToken(header, JSON.stringify(claims()))));
        }),
      );
    assert.deepEqual(new Set(await flood(0)), new Set(["MCA_JWT_KEY_UNKNOWN"]));
    assert.deepEqual(new Set(await flood(300)), new Set(["MCA_JWT_KEY_UNKNOWN"]));
    assert.equal(web.requests.length, 2);
    // Meanwhile good tokens are served.
    await attestor.attest(await token());
    clock.advance(10_000);
    await flood(600);
    assert.equal(web.requests.length, 3);
  } finally {
    await web.close();
  }
});

test("tokens of a foreign issuer or audience reach nobody", async () => {
  const web = await serve((_, response) => response.end(jwks(testKey())));
  try {
    const { attestor } = attestorOf({ jwksUrl: web.url });
    assert.equal(await codeOf(attestor.attest(await token(claims({ iss: "https://evil.example" })))), "MCA_JWT_ISSUER");
    assert.equal(await codeOf(attestor.attest(await token(claims({ aud: "other" })))), "MCA_JWT_AUDIENCE");
    assert.equal(web.requests.length, 0);
  } finally {
    await web.close();
  }
});

// Both wait for the clock; each has a server of its own.
describe("over five seconds", { concurrency: true }, () => {
  test("a server of keys that never answers costs one wait, and the next callers are refused at once", async () => {
    const sockets = new Set<import("node:net").Socket>();
    const silent = createTcpServer((socket) => sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = silent.address() as AddressInfo;
      const { attestor } = attestorOf({ jwksUrl: `http://127.0.0.1:${port}/` });
      const text = await token();
      const started = Date.now();
      const waiting = Array.from({ length: 50 }, () => codeOf(attestor.attest(text)));
      assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["MCA_JWKS_UNAVAILABLE"]));
      const waited = Date.now() - started;
      assert(waited >= 4500 && waited < 10_000, `one wait of 5 s for all, not two: ${waited} ms`);
      assert.equal(sockets.size, 1, "one connection for all of them");
      assert.equal(await codeOf(attestor.attest(text)), "MCA_JWKS_UNAVAILABLE");
      assert.equal(sockets.size, 1, "and no other for who comes next");
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    }
  });

  test("a server of keys that answers drop by drop is cut off", async () => {
    const timers = new Set<NodeJS.Timeout>();
    const web = await serve((_, response) => {
      response.writeHead(200);
      timers.add(setInterval(() => response.write(" "), 100));
    });
    try {
      const { attestor } = attestorOf({ jwksUrl: web.url });
      assert.equal(await codeOf(attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE");
      assert.match(attestor.problem ?? "", /did not answer within/);
    } finally {
      for (const timer of timers) clearInterval(timer);
      await web.close();
    }
  });
});

test("a key set without end is cut off", async () => {
  let sent = 0;
  const web = await serve((_, response) => {
    const chunk = Buffer.alloc(65_536, " ");
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      sent += chunk.length;
    };
    response.on("drain", more);
    more();
  });
  try {
    const { attestor } = attestorOf({ jwksUrl: web.url });
    assert.equal(await codeOf(attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE");
    assert.match(attestor.problem ?? "", /more than 524288 bytes/);
    assert(sent < 64 << 20, `${sent} bytes were sent`);
  } finally {
    await web.close();
  }
});

test("redirects are not followed, wherever they lead", async () => {
  const target = await serve((_, response) => response.end(jwks(testKey())));
  try {
    for (const location of [`${target.url}/keys`, "https://127.0.0.1:1/", "file:///etc/passwd", "/elsewhere"]) {
      for (const status of [301, 302, 303, 307, 308]) {
        const web = await serve((_, response) => response.writeHead(status, { location }).end(jwks(testKey())));
        try {
          const { attestor } = attestorOf({ jwksUrl: web.url });
          assert.equal(await codeOf(attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE");
          assert.match(attestor.problem ?? "", /redirect, which is not followed/);
          assert.equal(web.requests.length, 1);
        } finally {
          await web.close();
        }
      }
    }
    assert.equal(target.requests.length, 0);
  } finally {
    await target.close();
  }
});

test("answers that are no key set are refused, each with a reason", async () => {
  const bomb = JSON.stringify({ keys: Array.from({ length: 101 }, () => testKey().jwk) });
  for (const [answer, reason] of [
    ["", /not valid JSON/],
    ["<html>", /not valid JSON/],
    ["[]", /no list "keys"/],
    ['{"keys": {}}', /no list "keys"/],
    ['{"keys": []}', /no public key/],
    ['{"keys": [7, null, {}, {"kty": "RSA"}, {"kty": "oct", "k": "AAAA"}]}', /no public key/],
    ['{"keys": [], "keys": []}', /not valid JSON/],
    [bomb, /more than 100 keys/],
    [`{"keys": ["${"x".repeat(500_000)}`, /not valid JSON/],
    [Buffer.from([0xff, 0xfe]), /not UTF-8/],
  ] as const) {
    const web = await serve((_, response) => response.end(answer));
    try {
      const { attestor } = attestorOf({ jwksUrl: web.url });
      assert.equal(await codeOf(attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE");
      assert.match(attestor.problem ?? "", reason);
    } finally {
      await web.close();
    }
  }
});

test("a broken answer and a wrong status are refused", async () => {
  const cut = await serve((_, response) => {
    response.writeHead(200, { "content-length": 1000 });
    response.write("{", () => response.destroy());
  });
  const missing = await serve((_, response) => response.writeHead(404).end(jwks(testKey())));
  const packed = await serve((_, response) =>
    response.writeHead(200, { "content-encoding": "gzip" }).end(jwks(testKey())),
  );
  try {
    for (const web of [cut, missing, packed]) {
      assert.equal(
        await codeOf(attestorOf({ jwksUrl: web.url }).attestor.attest(await token())),
        "MCA_JWKS_UNAVAILABLE",
      );
    }
  } finally {
    for (const web of [cut, missing, packed]) await web.close();
  }
});

test("a clock that jumps back does not stop the keys from being refreshed", async () => {
  const web = await serve((_, response) => response.end(jwks(testKey())));
  try {
    const { attestor, clock } = attestorOf({ jwksUrl: web.url });
    await attestor.attest(await token());
    clock.advance(-3_600_000);
    const seconds = clock.now() / 1000;
    await attestor.attest(await token(claims({ iat: seconds, exp: seconds + 60 })));
    await until(() => web.requests.length === 2, "they are fetched again");
  } finally {
    await web.close();
  }
});

test("a public exponent or point that OpenSSL refuses is an unknown key, not a crash", async () => {
  const { jwk } = testKey();
  const broken = JSON.stringify({ keys: [{ ...jwk, x: encode(Buffer.alloc(32, 1)), y: encode(Buffer.alloc(32, 1)) }] });
  const web = await serve((_, response) => response.end(broken));
  try {
    assert.equal(await codeOf(attestorOf({ jwksUrl: web.url }).attestor.attest(await token())), "MCA_JWT_KEY_UNKNOWN");
  } finally {
    await web.close();
  }
});
