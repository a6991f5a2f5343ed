// docs/enterprise-pki.md as its reader meets it: every command, in order, in an empty folder, with openssl as the enterprise's CA and a
// real server; each prints what the page says. And nothing else of mesh-ca judges the certificates: openssl does.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { blocksOf, Reader } from "../support/page.ts";
import { freePort } from "../support/ports.ts";
import { temporaryFolder } from "../support/postgres.ts";

const PAGE = "docs/enterprise-pki.md";

describe("docs/enterprise-pki.md", () => {
  let folder: string;
  let reader: Reader;

  before(async () => {
    folder = await temporaryFolder("mesh-ca-enterprise-");
    reader = new Reader(folder, {
      MESH_CA_LISTEN__GRPC__PORT: String(await freePort()),
      MESH_CA_LISTEN__HTTPS__PORT: String(await freePort()),
      MESH_CA_LISTEN__OPERATIONS__PORT: String(await freePort()),
    });
  });
  after(async () => {
    await reader.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const blocks = blocksOf(PAGE);
  test("has a command for each thing that it explains", () => {
    assert.ok(blocks.length >= 12, `found ${blocks.length}`);
    assert.ok(blocks.filter(({ prints }) => prints.length > 0).length >= 11, "and says what most of them print");
  });
  for (const block of blocks) {
    test(`line ${block.line}, ${block.headings.at(-1)}`, async () => {
      await reader.run(block);
    });
  }

  test("a page that claims what a command does not print is noticed, and so is a command that fails", async () => {
    const block = {
      headings: ["a test"],
      line: 0,
      script: "echo one; echo two three",
      prints: ["one", "two ... three"],
    };
    await reader.run({ ...block, prints: ["one", "two three"] });
    await assert.rejects(reader.run({ ...block, prints: ["two", "one"] }), /the page says/);
    await assert.rejects(reader.run({ ...block, script: "false | true" }), /ended with 1/);
  });
});
