import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectionSettings } from "../../../src/ca/store/connection-settings.ts";

const TLS = { ca: "pem" };

describe("connection strings", () => {
  test("host, port, user, password and database, percent-decoded", () => {
    assert.deepEqual(connectionSettings("postgresql://us%40er:p%2Fw@db.example.test:6432/my%20db", TLS), {
      host: "db.example.test",
      port: 6432,
      user: "us@er",
      password: "p/w",
      database: "my db",
      ssl: { ca: "pem", rejectUnauthorized: true },
    });
    assert.equal(connectionSettings("postgres://u@[2001:db8::1]/d", TLS).host, "2001:db8::1");
  });

  test("a Unix socket needs no TLS", () => {
    const settings = connectionSettings(
      "postgresql://owner@/mesh_ca?host=%2Fvar%2Flib%2Fmesh-ca%2Frun%2Fpg",
      undefined,
    );
    assert.deepEqual(
      [settings.host, settings.port, settings.database, settings.ssl],
      ["/var/lib/mesh-ca/run/pg", 5432, "mesh_ca", false],
    );
  });

  test("TCP without TLS is refused, also to this machine, unless it is named insecure", () => {
    for (const host of ["db.example.test", "localhost", "127.0.0.1", "[::1]"]) {
      assert.throws(() => connectionSettings(`postgresql://u:p@${host}/d`, undefined), {
        code: "MCA_DATABASE_INSECURE",
      });
      assert.equal(connectionSettings(`postgresql://u:p@${host}/d`, "plaintext").ssl, false);
    }
  });

  test("options cannot switch verification off, and the string cannot either", () => {
    const settings = connectionSettings("postgresql://u@h/d?sslmode=verify-full", { rejectUnauthorized: false });
    assert.ok(settings.ssl !== false && settings.ssl.rejectUnauthorized === true);
    for (const mode of ["disable", "allow", "prefer", "require", "no-verify", "verify-ca", ""]) {
      for (const tls of [TLS, "plaintext" as const, undefined]) {
        assert.throws(() => connectionSettings(`postgresql://u@h/d?sslmode=${mode}`, tls), {
          code: "MCA_DATABASE_INSECURE",
        });
      }
    }
  });

  test("what is not understood is refused, and no sentence repeats the password", () => {
    for (const text of [
      "",
      "mysql://u:hunter2@h/d",
      "postgresql://u:hunter2@/d",
      "postgresql://:hunter2@h/d",
      "postgresql://u:hunter2@h/d?options=-c%20role=postgres",
      "postgresql://u:hunter2@h/d?sslrootcert=/x",
      "postgresql://u:hunter2@h:99999999/d",
      "host=h user=u password=hunter2",
    ]) {
      assert.throws(
        () => connectionSettings(text, TLS),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, "MCA_DATABASE_URL_INVALID", text);
          assert.ok(!error.message.includes("hunter2"));
          return true;
        },
      );
    }
  });
});
