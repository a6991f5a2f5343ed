// The corpus: name constraints, one specimen for each kind of name and sense (RFC 5280 section 4.2.1.10).
import { derContext, encodeName } from "../../../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
} from "../../../support/pki.ts";
import { bad, type Chain, good, line, type Specimen, two } from "./specimen.ts";

const permitted = (...bases: readonly Uint8Array[]): CertificateOptions => ({
  nameConstraints: nameConstraintsExtension({ permitted: bases }),
});
const excluded = (...bases: readonly Uint8Array[]): CertificateOptions => ({
  nameConstraints: nameConstraintsExtension({ excluded: bases }),
});
const uri = (value: string): CertificateOptions => ({ names: [{ kind: "uri", value }] });
const dns = (value: string): CertificateOptions => ({ names: [{ kind: "dns", value }] });
const email = (value: string): CertificateOptions => ({ names: [{ kind: "email", value }] });
const ip = (...octets: readonly number[]): CertificateOptions => ({
  names: [{ kind: "ip", bytes: Uint8Array.from(octets) }],
});
const directory = (name: Uint8Array): CertificateOptions => ({ names: [{ kind: "directory", der: name }] });
const organization = (text: string): Uint8Array => encodeName({ organization: text });
const twoPartName = encodeName({ organization: "Example", commonName: "host" });

function rootConstraints(): Chain {
  const special = createRoot({ subject: "Constrained Root", ...permitted(generalNameDer.uri("other.test")) });
  const issuer = createIntermediate(special);
  return { chain: [createLeaf(issuer), issuer], anchors: [special] };
}

export const nameSpecimens: readonly Specimen[] = [
  good(
    "a URI within the permitted host",
    two(uri("spiffe://example.test/a"), permitted(generalNameDer.uri("example.test"))),
  ),
  bad(
    "name-constraints",
    "a URI outside of the permitted host",
    two(uri("spiffe://other.test/a"), permitted(generalNameDer.uri("example.test"))),
  ),
  bad(
    "name-constraints",
    "a URI beneath the permitted host",
    two(uri("spiffe://a.example.test/a"), permitted(generalNameDer.uri("example.test"))),
  ),
  bad(
    "name-constraints",
    "a URI of an excluded host",
    two(uri("spiffe://example.test/a"), excluded(generalNameDer.uri("example.test"))),
  ),
  good("a DNS name that is permitted", two(dns("a.example.test"), permitted(generalNameDer.dns("example.test")))),
  bad(
    "name-constraints",
    "a DNS name that is not permitted",
    two(dns("example.test.evil"), permitted(generalNameDer.dns("example.test"))),
  ),
  bad(
    "name-constraints",
    "a DNS name that only ends like a permitted one",
    two(dns("notexample.test"), permitted(generalNameDer.dns("example.test"))),
  ),
  bad(
    "name-constraints",
    "a DNS name that is excluded",
    two(dns("a.Example.test"), excluded(generalNameDer.dns("example.test"))),
  ),
  bad(
    "name-constraints",
    "a second name that is not permitted",
    two(
      {
        names: [
          { kind: "dns", value: "example.test" },
          { kind: "dns", value: "b.test" },
        ],
      },
      permitted(generalNameDer.dns("example.test")),
    ),
  ),
  good(
    "a name of a kind that is not constrained",
    two(uri("spiffe://x.test/a"), permitted(generalNameDer.dns("example.test"))),
  ),
  bad(
    "name-constraints",
    "a common name that is an excluded host",
    two({ subject: "a.example.test", ...uri("spiffe://x.test/a") }, excluded(generalNameDer.dns("example.test"))),
  ),
  good(
    "an e-mail address that is permitted",
    two(email("a@example.test"), permitted(generalNameDer.email("example.test"))),
  ),
  bad(
    "name-constraints",
    "an e-mail address that is not permitted",
    two(email("a@b.example.test"), permitted(generalNameDer.email("example.test"))),
  ),
  bad(
    "name-constraints",
    "an e-mail address that is excluded",
    two(email("a@example.test"), excluded(generalNameDer.email("a@example.test"))),
  ),
  good(
    "an IP address that is permitted",
    two(ip(10, 1, 2, 3), permitted(generalNameDer.ip(10, 0, 0, 0, 255, 0, 0, 0))),
  ),
  bad(
    "name-constraints",
    "an IP address that is not permitted",
    two(ip(11, 1, 2, 3), permitted(generalNameDer.ip(10, 0, 0, 0, 255, 0, 0, 0))),
  ),
  bad(
    "name-constraints",
    "an IPv6 address where IPv4 is permitted",
    two(ip(...new Array<number>(16).fill(10)), permitted(generalNameDer.ip(10, 0, 0, 0, 255, 0, 0, 0))),
  ),
  bad(
    "name-constraints",
    "an IP address that is excluded",
    two(ip(10, 1, 2, 3), excluded(generalNameDer.ip(10, 0, 0, 0, 255, 0, 0, 0))),
  ),
  good(
    "a subject within the permitted directory",
    two({ subject: twoPartName }, permitted(generalNameDer.directory(organization("EXAMPLE")))),
  ),
  bad(
    "name-constraints",
    "a subject outside of the permitted directory",
    two({ subject: twoPartName }, permitted(generalNameDer.directory(organization("Other")))),
  ),
  bad(
    "name-constraints",
    "a subject in an excluded directory, written otherwise",
    two({ subject: twoPartName }, excluded(generalNameDer.directory(organization("  eXample ")))),
  ),
  bad(
    "name-constraints",
    "a directory name in an excluded directory",
    two(directory(twoPartName), excluded(generalNameDer.directory(organization("Example")))),
  ),
  bad("name-constraints", "constraints of the root", rootConstraints()),
  bad(
    "name-constraints",
    "constraints on the name of an authority",
    line(
      { nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.directory(organization("Example"))] }) },
      {},
    ),
  ),
  bad(
    "name-constraints",
    "a constraint on registered IDs",
    two({}, permitted(derContext(8, Uint8Array.of(42), false))),
  ),
  bad(
    "name-constraints",
    "a URI constraint that is an address",
    two({ spiffeId: "spiffe://example.test/a" }, excluded(generalNameDer.uri("10.0.0.1"))),
  ),
  bad("name-constraints", "name constraints in a leaf", two(permitted(generalNameDer.dns("example.test")))),
];
