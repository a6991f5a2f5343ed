// `proxy check` looks at files as a start does: what it would wait for is a note, what would end it is an error.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkFiles } from "../../../src/proxy-tls/identity/check-files.ts";
import { ManualClock } from "../../identity-client/helpers.ts";
import { inboundTcp, proxyConfig } from "../support/proxy.ts";
import { TestDomain } from "../support/state.ts";
import { SvidFiles } from "../support/svid-files.ts";

const domain = new TestDomain("example.test");

test("files that can be used are silent; a key of another certificate, and a file that is not there, are noted", async () => {
  const svid = new SvidFiles(domain);
  const notes = () => checkFiles(proxyConfig([inboundTcp(9)], { identity: svid.config }), new ManualClock());
  assert.match(
    (await notes())[0] ?? "",
    /^Note: .*svid\.pem cannot be read \(ENOENT\)\. Mend it\. \(MCA_PROXY_FILE\)$/,
  );
  svid.swap({ identity: domain.identity("/cart"), key: domain.identity("/cart").privateKeyPem });
  assert.match((await notes())[0] ?? "", /^Note: the identity cannot be used now: .*key/);
  svid.swap({ identity: domain.identity("/cart") });
  assert.deepEqual(await notes(), []);
});

test("anchors of another trust domain that cannot be used are an error", async () => {
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/cart") });
  const bundleFile = join(svid.folder, "other.pem");
  const federation = [{ trustDomain: "other.test", bundleFile }];
  const config = proxyConfig([inboundTcp(9)], { identity: svid.config, federation });
  await assert.rejects(checkFiles(config, new ManualClock()), { code: "MCA_PROXY_FILE" });
  writeFileSync(bundleFile, new TestDomain("other.test").anchorPem);
  assert.deepEqual(await checkFiles(config, new ManualClock()), []);
});
