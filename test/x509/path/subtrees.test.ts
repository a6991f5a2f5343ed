// Names in and out of subtrees, kind by kind, with the readings in which implementations differ. Permitted is narrow,
// excluded is wide.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  derContext,
  derElement,
  derExplicit,
  derOid,
  derSequence,
  derSet,
  derUtf8String,
  encodeName,
  oid,
  type PathRule,
  tag,
  validatePath,
} from "../../../src/x509/index.ts";
import { dnsWithin, emailWithin, type SubtreeSense, Unparsable, uriWithin } from "../../../src/x509/path/subtrees.ts";
import {
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
} from "../../support/pki.ts";

type Match = (name: string, base: string, sense: SubtreeSense) => boolean;
type Row = readonly [name: string, base: string, permitted: boolean | "unclear", excluded: boolean | "unclear"];

function table(kind: string, match: Match, rows: readonly Row[]): void {
  for (const [name, base, permitted, excluded] of rows) {
    it(`${kind} "${name}" and "${base}": permitted ${permitted}, excluded ${excluded}`, () => {
      for (const [sense, expected] of [
        ["permitted", permitted],
        ["excluded", excluded],
      ] as const) {
        if (expected === "unclear") assert.throws(() => match(name, base, sense), Unparsable);
        else assert.equal(match(name, base, sense), expected);
      }
    });
  }
}

describe("DNS names", () => {
  table("DNS", dnsWithin, [
    ["example.test", "example.test", true, true],
    ["a.b.example.test", "example.test", true, true],
    ["A.EXAMPLE.test", "Example.TEST", true, true],
    ["example.test", ".example.test", false, false],
    ["a.example.test", ".example.test", true, true],
    ["notexample.test", "example.test", false, false],
    ["example.test", "a.example.test", false, false],
    ["anything.at.all", "", true, true],
    ["_srv.example.test", "example.test", true, true],
    // A wildcard stands for hosts of which some may be excluded, but is permitted only as a whole.
    ["*.example.test", "example.test", true, true],
    ["*.example.test", "a.example.test", false, true],
    ["*.example.test", "b.a.example.test", false, true],
    ["*.example.test", "other.test", false, false],
    ["example.test.", "example.test", "unclear", "unclear"],
    ["a..example.test", "example.test", "unclear", "unclear"],
    ["", "example.test", "unclear", "unclear"],
    ["", "", "unclear", "unclear"],
    ["*", "example.test", "unclear", "unclear"],
    ["a.*.test", "example.test", "unclear", "unclear"],
    ["example.test\0.evil.test", "evil.test", "unclear", "unclear"],
    ["exämple.test", "example.test", "unclear", "unclear"],
    ["-a.test", "test", "unclear", "unclear"],
    [`${"a".repeat(64)}.test`, "test", "unclear", "unclear"],
    [`${"a.".repeat(124)}atest`, "atest", true, true],
    [`${"a.".repeat(124)}aatest`, "aatest", "unclear", "unclear"],
    ["example.test", "*.example.test", "unclear", "unclear"],
    ["example.test", "..example.test", "unclear", "unclear"],
  ]);
});

describe("URIs", () => {
  table("URI", uriWithin, [
    ["spiffe://example.test/a", "example.test", true, true],
    ["SPIFFE://EXAMPLE.test:8443/a?b#c", "example.test", true, true],
    // RFC 5280 and OpenSSL: exactly that host. Go: hosts beneath it too.
    ["spiffe://a.example.test/a", "example.test", false, true],
    ["spiffe://a.example.test", ".example.test", true, true],
    ["spiffe://example.test", ".example.test", false, false],
    ["spiffe://notexample.test/", "example.test", false, false],
    ["spiffe://other.test/example.test", "example.test", false, false],
    ["spiffe://10.0.0.1/a", "example.test", "unclear", "unclear"],
    ["spiffe://[2001:db8::1]/a", "example.test", "unclear", "unclear"],
    ["spiffe://user@example.test/a", "example.test", "unclear", "unclear"],
    ["spiffe://evil.test@example.test/a", "example.test", "unclear", "unclear"],
    ["spiffe:///a", "example.test", "unclear", "unclear"],
    ["urn:uuid:1", "example.test", "unclear", "unclear"],
    ["example.test", "example.test", "unclear", "unclear"],
    ["spiffe://example.test\\.evil.test/", "example.test", "unclear", "unclear"],
    ["spiffe://*.example.test/", "example.test", "unclear", "unclear"],
    ["spiffe://example.test/a", "", "unclear", "unclear"],
    ["spiffe://example.test/a", "spiffe://example.test", "unclear", "unclear"],
  ]);
});

describe("e-mail addresses", () => {
  table("e-mail", emailWithin, [
    ["a@example.test", "a@example.test", true, true],
    ["a@EXAMPLE.test", "a@example.TEST", true, true],
    ["A@example.test", "a@example.test", false, true],
    ["b@example.test", "a@example.test", false, false],
    ["a@example.test", "example.test", true, true],
    ["a@example.test", "@example.test", "unclear", "unclear"],
    ["a@b.example.test", "example.test", false, true],
    ["a@b.example.test", ".example.test", true, true],
    ["a@example.test", ".example.test", false, false],
    ["a@notexample.test", "example.test", false, false],
    ["a", "example.test", "unclear", "unclear"],
    ["@example.test", "example.test", "unclear", "unclear"],
    ["a@", "example.test", "unclear", "unclear"],
    ['"a@b"@example.test', "example.test", "unclear", "unclear"],
    ["a b@example.test", "example.test", "unclear", "unclear"],
    ["a@b@example.test", "example.test", "unclear", "unclear"],
    ["a@example.test", "", "unclear", "unclear"],
  ]);
});

describe("whatever the names are", () => {
  it("a permitted name is never one that the same subtree would not exclude", () => {
    const host = fc.stringMatching(/^(\*\.)?[a-c]{1,2}(\.[a-c]{1,2}){0,3}$/);
    const base = fc.stringMatching(/^\.?[a-c]{1,2}(\.[a-c]{1,2}){0,2}$/);
    fc.assert(
      fc.property(host, base, (name, constraint) => {
        for (const [match, text] of [
          [dnsWithin, name],
          [uriWithin, `spiffe://${name}/x`],
          [emailWithin, `x@${name}`],
        ] as const) {
          try {
            if (match(text, constraint, "permitted")) assert.equal(match(text, constraint, "excluded"), true);
          } catch (error) {
            if (!(error instanceof Unparsable)) throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("constraints in a path", () => {
  const broke = (rule: PathRule): object => ({ name: "PathError", rule });
  const judge = (constraints: Uint8Array, leafOptions: Parameters<typeof createLeaf>[1]): void => {
    const root = createRoot({ nameConstraints: constraints });
    const leaf = createLeaf(root, leafOptions);
    validatePath({ chain: [leaf.certificate], anchors: [root.certificate], time: Date.now(), target: "end-entity" });
  };
  const emailInSubject = (value: Uint8Array): Uint8Array =>
    derSequence(derSet(derSequence(derOid(oid.emailAddress), value)));

  it("apply to e-mail addresses in the subject", () => {
    const permitted = nameConstraintsExtension({ permitted: [generalNameDer.email("example.test")] });
    judge(permitted, { subject: emailInSubject(derElement(tag.ia5String, Buffer.from("a@example.test"))) });
    assert.throws(
      () => judge(permitted, { subject: emailInSubject(derElement(tag.ia5String, Buffer.from("a@b.test"))) }),
      broke("name-constraints"),
    );
    assert.throws(
      () => judge(permitted, { subject: emailInSubject(derUtf8String("é@example.test")) }),
      broke("name-constraints"),
    );
    assert.throws(
      () => judge(permitted, { subject: emailInSubject(derElement(tag.octetString, Buffer.from("a@example.test"))) }),
      broke("name-constraints"),
    );
  });

  it("apply to a common name that looks like a host only where there is no DNS name", () => {
    const permitted = nameConstraintsExtension({ permitted: [generalNameDer.dns("example.test")] });
    const other = encodeName({ commonName: "other.test" });
    assert.throws(() => judge(permitted, { subject: other }), broke("name-constraints"));
    judge(permitted, { subject: other, names: [{ kind: "dns", value: "a.example.test" }] });
    judge(permitted, { subject: encodeName({ commonName: "A person" }) });
    assert.throws(
      () => judge(permitted, { subject: encodeName({ commonName: "other.test\0" }) }),
      broke("name-constraints"),
    );
    assert.throws(
      () => judge(permitted, { subject: encodeName({ commonName: "other.test." }) }),
      broke("name-constraints"),
    );
  });

  it("of unsupported kinds are refused where they are critical, and where such a name is there", () => {
    const registered = derContext(8, Uint8Array.of(42), false);
    const critical = nameConstraintsExtension({ excluded: [registered] });
    const notCritical = nameConstraintsExtension({ excluded: [registered] }, false);
    assert.throws(() => judge(critical, {}), broke("name-constraints"));
    judge(notCritical, {});
    const named = { kind: "other" as const, tag: 8, der: registered };
    assert.throws(() => judge(notCritical, { names: [named], namesCritical: false }), broke("name-constraints"));
  });

  it("on e-mail do not let an internationalised mailbox through", () => {
    const mailbox = derContext(
      0,
      Buffer.concat([derOid("1.3.6.1.5.5.7.8.9"), derExplicit(0, derUtf8String("é@evil.test"))]),
      true,
    );
    const other = derContext(
      0,
      Buffer.concat([derOid("1.3.6.1.4.1.311.20.2.3"), derExplicit(0, derUtf8String("a@evil.test"))]),
      true,
    );
    const permitted = nameConstraintsExtension({ permitted: [generalNameDer.email("example.test")] });
    assert.throws(
      () => judge(permitted, { names: [{ kind: "other", tag: 0, der: mailbox }], namesCritical: false }),
      broke("name-constraints"),
    );
    judge(permitted, { names: [{ kind: "other", tag: 0, der: other }], namesCritical: false });
    judge(nameConstraintsExtension({ permitted: [generalNameDer.dns("x.test")] }), {
      names: [{ kind: "other", tag: 0, der: mailbox }],
      namesCritical: false,
    });
  });

  it("of any kind at all ask for names that can be compared, as Go does", () => {
    const aboutDns = nameConstraintsExtension({ permitted: [generalNameDer.dns("example.test")] });
    for (const [kind, value] of [
      ["uri", "urn:uuid:1"],
      ["uri", "spiffe://10.0.0.1/a"],
      ["email", "nobody"],
      ["dns", "a.example.test."],
    ] as const) {
      assert.throws(() => judge(aboutDns, { names: [{ kind, value }] }), broke("name-constraints"), value);
    }
    judge(aboutDns, { names: [{ kind: "uri", value: "spiffe://other.test/a" }] });
  });

  it("that cannot be compared with anything refuse the path, whatever names there are", () => {
    for (const base of [
      generalNameDer.email("@example.test"),
      generalNameDer.dns("*.example.test"),
      generalNameDer.uri("spiffe://example.test"),
    ]) {
      assert.throws(() => judge(nameConstraintsExtension({ excluded: [base] }), {}), broke("name-constraints"));
    }
    judge(nameConstraintsExtension({ excluded: [generalNameDer.dns("x.test"), generalNameDer.email("")] }), {});
  });

  it("that are not critical are enforced all the same", () => {
    const soft = nameConstraintsExtension({ permitted: [generalNameDer.uri("other.test")] }, false);
    assert.throws(() => judge(soft, {}), broke("name-constraints"));
  });

  it("skip self-issued CAs between, but not the leaf, nor other CAs", () => {
    const permitted = nameConstraintsExtension({
      permitted: [generalNameDer.directory(encodeName({ organization: "Example" }))],
    });
    const root = createRoot({ subject: "Rollover Root", nameConstraints: permitted });
    const selfIssued = createIntermediate(root, { subject: "Rollover Root" });
    const run = (...chain: ReturnType<typeof createLeaf>[]): void => {
      validatePath({
        chain: chain.map((one) => one.certificate),
        anchors: [root.certificate],
        time: Date.now(),
        target: "end-entity",
      });
    };
    run(createLeaf(selfIssued), selfIssued);
    assert.throws(
      () => run(createLeaf(selfIssued, { subject: "Rollover Root" }), selfIssued),
      broke("name-constraints"),
    );
    const other = createIntermediate(root, { subject: "Other" });
    assert.throws(() => run(createLeaf(other), other), broke("name-constraints"));
    const fine = createIntermediate(root, { subject: encodeName({ organization: "Example", commonName: "CA" }) });
    run(createLeaf(fine), fine);
  });
});
