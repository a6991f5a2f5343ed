// The migrations of this program: migrations/NNNN_name.sql, forward only. A file whose first line is `--! breaking` makes a schema
// that older programs must not touch.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageRoot } from "../../runtime/index.ts";

export interface Migration {
  readonly id: number;
  /** As the file is called, without `.sql`. */
  readonly name: string;
  readonly breaking: boolean;
  readonly sql: string;
}

/** In order, without gaps. @throws TypeError when the folder is not as it should be: a broken installation */
export async function readMigrations(folder = join(packageRoot(), "migrations")): Promise<readonly Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  const migrations = await Promise.all(
    files.map(async (file) => {
      const sql = await readFile(join(folder, file), "utf8");
      return {
        id: Number(/^(\d{4})_/.exec(file)?.[1] ?? Number.NaN),
        name: file.replace(/\.sql$/, ""),
        breaking: /^--! breaking\s*$/.test(sql.split("\n", 1)[0] ?? ""),
        sql,
      };
    }),
  );
  if (migrations.length === 0) throw new TypeError(`no migrations in ${folder}`);
  migrations.forEach(({ id, name }, index) => {
    if (id !== index + 1) throw new TypeError(`migration ${name} should be number ${index + 1}`);
  });
  return migrations;
}
