// The addresses of our own chain's certificates under a hostile network: real web servers that hang, drip, flood, redirect, compress and
// lie. None of it stops issuance, none of it holds the process up, and none of it sends this server anywhere else.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type RevocationRequest, type UpstreamRevocation, UpstreamWatch } from "../../src/ca/index.ts";
import { createRevocationFetch, type RevocationFetchOptions } from "../../src/identity-api/revocation-fetch.ts";
import { silentLogger, systemClock, systemRandom } from "../../src/runtime/index.ts";
import { cpuMs } from "../support/cpu.ts";
import { createIntermediate, createLeaf, createRoot } from "../support/pki.ts";
import { createCrl, crlDistributionPointsExtension, crlEntry } from "../support/revocation.ts";

const root = createRoot();
const crl = createCrl(root);
const servers: Server[] = [];

/** A web server on loopback; its address ends in a slash. */
async function serve(
  listener: RequestListener,
  make: (listener: RequestListener) => Server = createServer,
): Promise<string> {
  const server = make(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address !== "string");
  return `http://127.0.0.1:${address.port}/`;
}

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const quick: Partial<RevocationFetchOptions> = { crlTimeoutMs: 1500, ocspTimeoutMs: 1500, silenceMs: 400 };

function ask(url: string, changes: Partial<RevocationRequest> = {}, options = quick) {
  return createRevocationFetch(options)(url, {
    kind: "crl",
    maxBytes: 100_000,
    anchor: root.certificate,
    signal: new AbortController().signal,
    ...changes,
  });
}

async function failure(url: string, changes: Partial<RevocationRequest> = {}, options = quick): Promise<string> {
  const answer = await ask(url, changes, options);
  assert.equal(answer.kind, "failed", JSON.stringify(answer));
  return answer.kind === "failed" ? answer.why : "";
}

const readBody = async (request: IncomingMessage): Promise<Buffer> => Buffer.concat(await request.toArray());

describe("an honest web server", () => {
  it("gives a CRL, and says by its entity tag or its date that it has not changed", async () => {
    for (const header of [
      { etag: '"a1"', back: "if-none-match" },
      { "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT", back: "if-modified-since" },
    ]) {
      const { back, ...headers } = header;
      const [value] = Object.values(headers);
      const url = await serve((request, response) => {
        if (request.headers[back] === value) response.writeHead(304).end();
        else response.writeHead(200, headers).end(crl);
      });
      const first = await ask(url);
      assert.ok(first.kind === "answer");
      assert.deepEqual(Buffer.from(first.bytes), Buffer.from(crl));
      assert.ok(first.validator !== undefined);
      assert.deepEqual(await ask(url, { validator: first.validator }), { kind: "unchanged" });
    }
  });

  it("gets an OCSP request by POST with its media type", async () => {
    let seen: unknown;
    const url = await serve(async (request, response) => {
      seen = [request.method, request.headers["content-type"], (await readBody(request)).toString("hex")];
      response.end("x");
    });
    const answer = await ask(url, { kind: "ocsp", body: Uint8Array.of(1, 2, 3) });
    assert.equal(answer.kind, "answer");
    assert.deepEqual(seen, ["POST", "application/ocsp-request", "010203"]);
  });

  it("may have a certificate of the enterprise; one of a stranger is refused", async () => {
    const secure = (issuer: typeof root) => {
      const { pem, keyPem } = createLeaf(issuer, { names: [{ kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) }] });
      return serve(
        (_request, response) => void response.end(crl),
        (listener) => createTlsServer({ cert: pem, key: keyPem }, listener),
      );
    };
    const own = (await secure(root)).replace("http:", "https:");
    assert.equal((await ask(own)).kind, "answer");
    const strange = (await secure(createRoot())).replace("http:", "https:");
    assert.match(await failure(strange), /cannot be reached \((UNABLE|SELF|DEPTH|CERT)/);
  });

  it("may move to another path of the same host, twice", async () => {
    const url = await serve((request, response) => {
      const at = Number(request.url?.slice(1) || "0");
      if (at >= 2) response.end(crl);
      else response.writeHead(302, { location: `/${at + 1}` }).end();
    });
    assert.equal((await ask(url)).kind, "answer");
  });
});

describe("a hostile one", () => {
  it("that redirects elsewhere is not followed", async () => {
    let reached = 0;
    const inside = await serve((_request, response) => {
      reached++;
      response.end(crl);
    });
    const { port } = new URL(inside);
    const targets = [
      inside,
      `http://localhost:${port}/`,
      "file:///etc/passwd",
      "unix:/run/x.sock:/",
      "http://169.254.169.254/latest/meta-data/",
      `http://user:secret@127.0.0.1:${port}/`,
      "//[::1]/",
      "",
    ];
    for (const location of targets) {
      const url = await serve((_request, response) => void response.writeHead(302, { location }).end());
      assert.match(await failure(url), /redirect/, location);
    }
    assert.equal(reached, 0);
    // The same server, and a password to go with it.
    const withPassword = await serve((request, response) => {
      const location = `http://user:secret@${request.headers.host}/again`;
      if (request.url === "/") response.writeHead(302, { location }).end();
      else response.end(crl);
    });
    assert.match(await failure(withPassword), /redirect/);
  });

  it("that redirects for ever, or a POST, is not followed", async () => {
    let asked = 0;
    const url = await serve((_request, response) => {
      asked++;
      response.writeHead(307, { location: "/again" }).end();
    });
    assert.match(await failure(url), /more than 2 times/);
    assert.equal(asked, 3);
    assert.match(await failure(url, { kind: "ocsp", body: Uint8Array.of(1) }), /redirect/);
    assert.equal(asked, 4);
  });

  it("that never answers, or falls silent, is left", async () => {
    const silent = await serve(() => {});
    assert.match(await failure(silent), /silence|did not answer/);
    const half = await serve(
      (_request, response) => void response.writeHead(200, { "content-length": 1000 }).write("x"),
    );
    assert.match(await failure(half), /cannot be reached/);
  });

  it("that drips is left when its time is over", async () => {
    const drips = await serve((_request, response) => {
      const timer = setInterval(() => response.write("x"), 50);
      response.on("close", () => clearInterval(timer));
    });
    assert.match(await failure(drips, {}, { ...quick, silenceMs: 5_000 }), /did not answer within 1500 ms/);
  });

  it("that floods is cut off at the bound, whatever it says of its length", async () => {
    const announced = await serve(
      (_request, response) => void response.writeHead(200, { "content-length": 10 ** 9 }).write("x"),
    );
    assert.match(await failure(announced), /more than 100000 bytes/);
    let sent = 0;
    const endless = await serve((_request, response) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      response.on("drain", more);
      more();
    });
    assert.match(await failure(endless), /more than 100000 bytes/);
    assert.ok(sent < 30_000_000, `${sent}`);
  });

  it("that compresses is refused, so that nothing can unfold", async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const url = await serve((request, response) => {
      assert.equal(request.headers["accept-encoding"], "identity");
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    });
    assert.match(await failure(url), /compressed/);
  });

  it("that breaks off, errs, or says that nothing has changed where nothing was in hand is a failure", async () => {
    const cut = await serve((_request, response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write("x", () => response.destroy());
    });
    assert.match(await failure(cut), /cannot be reached|broke off/);
    for (const status of [204, 206, 304, 404, 500]) {
      const url = await serve((_request, response) => void response.writeHead(status).end());
      assert.match(await failure(url), new RegExp(`status ${status}`));
    }
  });

  it("that sends headers nobody could send back has no validator", async () => {
    const url = await serve(
      (_request, response) => void response.writeHead(200, { etag: `"${"x".repeat(300)}"` }).end(crl),
    );
    const answer = await ask(url);
    assert.ok(answer.kind === "answer");
    assert.equal(answer.validator, undefined);
  });

  it("is left at once when the watch is closed", async () => {
    const silent = await serve(() => {});
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    assert.match(await failure(silent, { signal: abort.signal }, {}), /was not waited for/);
  });
});

describe("this server is sent nowhere that only it can reach for secrets", () => {
  const addresses = [
    "http://169.254.169.254/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://[fe80::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://[64:ff9b::168.63.129.16]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
  ];
  for (const address of addresses) {
    it(`not to ${address}`, async () => assert.match(await failure(address), /link-local or metadata/));
  }

  it("not by a name that resolves there, be it beside a good address", async () => {
    let reached = 0;
    const url = await serve((_request, response) => {
      reached++;
      response.end(crl);
    });
    const named = `http://pki.example.test:${new URL(url).port}/`;
    const resolving = (...found: string[]): Partial<RevocationFetchOptions> => ({
      ...quick,
      resolve: (_name, _options, callback) =>
        callback(
          null,
          found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        ),
    });
    assert.match(await failure(named, {}, resolving("127.0.0.1", "169.254.169.254")), /link-local or metadata/);
    assert.match(await failure(named, {}, resolving("fe80::1")), /link-local or metadata/);
    assert.match(await failure(named, {}, resolving()), /cannot be reached/);
    assert.equal(reached, 0);
    assert.equal((await ask(named, {}, resolving("127.0.0.1"))).kind, "answer");
  });
});

describe("a CRL of a million entries over http", () => {
  it("is fetched, verified and searched without holding the process up", { timeout: 120_000 }, async () => {
    const count = 1_000_000;
    const entry = crlEntry({ serial: Uint8Array.of(1, ...new Uint8Array(15)), reason: "superseded" });
    const entries = Buffer.alloc(entry.length * (count + 1));
    for (let i = 0; i < count; i++) {
      entries.set(entry, i * entry.length);
      entries.writeUInt32BE(i, i * entry.length + 16);
    }
    let body: Uint8Array = new Uint8Array(0);
    const url = await serve((_request: IncomingMessage, response: ServerResponse) => void response.end(body));
    const authority = createIntermediate(root, {
      serial: Uint8Array.of(2, ...new Uint8Array(15)),
      extraExtensions: [crlDistributionPointsExtension(url)],
    });
    const last = crlEntry({ serial: authority.certificate.serial, reason: "superseded" });
    entries.set(last, entry.length * count);
    body = createCrl(root, { entries });
    assert.ok(body.length > 45_000_000);
    const told: UpstreamRevocation[] = [];
    const watch = new UpstreamWatch({
      chains: () => [
        {
          spkiSha256: authority.certificate.publicKey.spkiSha256,
          certificate: authority.certificate,
          intermediates: [],
          anchor: root.certificate,
        },
      ],
      fetch: createRevocationFetch(),
      onRevoked: async (revocation) => void told.push(revocation),
      intervalSeconds: 300,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    // The work of this thread between two turns of its loop; time in which the machine did something else is nobody's fault.
    let before = cpuMs();
    let longest = 0;
    const turns = setInterval(() => {
      const now = cpuMs();
      longest = Math.max(longest, now - before);
      before = now;
    }, 1);
    await watch.tick();
    clearInterval(turns);
    await watch.close();
    assert.equal(told[0]?.reason, "superseded", watch.status()[0]?.sentence);
    console.log(`# ${body.length} bytes: event loop held up by at most ${longest.toFixed(1)} ms of work`);
    // 20 ms is the aim; a bound that a slow machine keeps too.
    assert.ok(longest > 0 && longest < 150, `held up by ${longest} ms of work`);
  });
});
