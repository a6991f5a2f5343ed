// docs/disaster-recovery.md, "Revoked enterprise certificate", with openssl as the enterprise: it signs, revokes with `openssl ca`, publishes
// the CRL, and judges what is issued afterwards. The same part with workloads that live through it: test/e2e.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Drill } from "../e2e/disaster-drill.ts";
import { until } from "../e2e/fixture.ts";

const EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -sha256";
const CONFIG = `[ca]
default_ca = enterprise
[enterprise]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
`;

describe("Revoked enterprise certificate, by openssl", () => {
  let drill: Drill;
  let web: Server;

  before(async () => {
    web = createServer((_request, response) => response.end(readFileSync(join(drill.folder, "root.crl"))));
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const { port } = web.address() as AddressInfo;
    drill = await Drill.prepare({
      authority: { upstream: "offline", revocationCheck: { intervalSeconds: 1 }, propagationFloorSeconds: 600 },
    });
    writeFileSync(join(drill.folder, "ca.cnf"), CONFIG);
    const extensions = "subjectKeyIdentifier=hash authorityKeyIdentifier=keyid:always";
    const usage = "keyUsage=critical,keyCertSign,cRLSign";
    await drill.shell(`
      : > index.txt; echo 01 > crlnumber
      openssl req -x509 ${EC} -keyout root.key -out root.pem -days 3650 -subj "/CN=Enterprise Root" \\
        -addext basicConstraints=critical,CA:TRUE -addext ${usage}
      printf '%s\\n' basicConstraints=critical,CA:TRUE,pathlen:1 ${usage} ${extensions} \\
        crlDistributionPoints=URI:http://127.0.0.1:${port}/root.crl > issuing.ext
      printf '%s\\n' basicConstraints=critical,CA:TRUE,pathlen:0 ${usage} ${extensions} > mesh-ca.ext
      for i in 1 2; do
        openssl req -new ${EC} -keyout issuing$i.key -out issuing$i.csr -subj "/CN=Enterprise Issuing CA $i"
        openssl x509 -req -in issuing$i.csr -CA root.pem -CAkey root.key -set_serial 0x$(openssl rand -hex 16) -sha256 -days 1825 \\
          -extfile issuing.ext -out issuing$i.pem
      done
      openssl ca -config ca.cnf -cert root.pem -keyfile root.key -gencrl -out crl.pem
      openssl crl -in crl.pem -outform DER -out root.crl
      npx mesh-ca init --csr first.csr --sheet first.txt
      systemctl start mesh-ca`);
    await sign(1, "first.csr", "first.pem");
    await drill.shell("npx mesh-ca authority import --reason first first.pem issuing.pem root.pem");
    await drill.fetch("cart");
    drill.turnTo("Revoked enterprise certificate");
  });
  after(async () => {
    await drill.close();
    web.closeAllConnections();
    web.close();
  });

  /** As docs/enterprise-pki.md has it; the issuing CA's certificate lies in issuing.pem then. */
  async function sign(by: number, request: string, certificate: string): Promise<void> {
    await drill.shell(`
      openssl x509 -req -in ${request} -CA issuing${by}.pem -CAkey issuing${by}.key -set_serial 0x$(openssl rand -hex 16) \\
        -sha256 -days 365 -extfile mesh-ca.ext -out ${certificate}
      cp issuing${by}.pem issuing.pem`);
  }

  test("its CRL stops the server, and openssl refuses the CA above what was issued", async () => {
    await drill.shell(`
      openssl ca -config ca.cnf -cert root.pem -keyfile root.key -revoke issuing1.pem -crl_reason CACompromise
      openssl ca -config ca.cnf -cert root.pem -keyfile root.key -gencrl -out crl.pem
      openssl crl -in crl.pem -outform DER -out root.crl`);
    await until(async () => /MCA_AUTHORITY_UPSTREAM_REVOKED/.test(await drill.log()), "it has read the CRL", 30_000);
    await drill.step("doctor");
    assert.match(await verdict(), /certificate revoked/);
  });

  test("signed by another issuing CA it issues again, and openssl accepts that", async () => {
    await drill.step("authority csr --recover");
    await sign(2, "recovery.csr", "recovery.pem");
    await drill.step("authority import --recover");
    await drill.step("authority activate --emergency");
    await drill.step("authority revoke");
    await drill.step("token create");
    drill.finish();
    assert.match(await verdict(), /svid\.pem: OK.*issuing-above\.pem: OK/s);
  });

  function verdict(): Promise<string> {
    // The chain's own CRLs are asked for above the leaf; for what mesh-ca signs there is none (certificates live an hour).
    return drill.shell(`
      openssl verify -CAfile root.pem -untrusted cart/current/svid.pem cart/current/svid.pem
      sed '1,/END CERTIFICATE/d' cart/current/svid.pem > above.pem
      sed '1,/END CERTIFICATE/d' above.pem > issuing-above.pem
      openssl verify -crl_check -CAfile root.pem -CRLfile crl.pem issuing-above.pem || true`);
  }
});
