// How columns become values: int8 a bigint, timestamptz Unix milliseconds, bytea a Uint8Array, jsonb parsed, arrays of those.
import pg from "pg";

const BOOL = 16;
const BYTEA = 17;
const INT8 = 20;
const TIMESTAMPTZ = 1184;
const BYTEA_ARRAY = 1001;
const INT8_ARRAY = 1016;
const TIMESTAMPTZ_ARRAY = 1185;

type Parse = (text: string) => unknown;

const parsers = new Map<number, Parse>([
  [BOOL, (text) => text === "t"],
  [BYTEA, parseBytea],
  [INT8, BigInt],
  [TIMESTAMPTZ, parseTime],
  [BYTEA_ARRAY, (text) => parseElements(text).map(parseBytea)],
  [INT8_ARRAY, (text) => parseElements(text).map(BigInt)],
  [TIMESTAMPTZ_ARRAY, (text) => parseElements(text).map(parseTime)],
]);

/** pg's own parsers but for the types above. */
export const columnTypes: pg.CustomTypesConfig = {
  // pg asks by type and by a format that we never change from text.
  getTypeParser: (oid: number) => parsers.get(oid) ?? pg.types.getTypeParser(oid, "text"),
};

function parseBytea(text: string): Uint8Array {
  const bytes = Buffer.from(text.slice(2), "hex"); // \x…
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Unix milliseconds of "2026-07-01 12:00:00.123456+00" (the session's time zone is UTC, its style ISO). */
export function parseTime(text: string): number {
  const time = Date.parse(`${text.slice(0, 10)}T${text.slice(11).replace(/\+00$/, "Z")}`);
  if (Number.isNaN(time)) throw new TypeError(`not a time within the range of this program: ${text}`);
  return time;
}

/** The elements of an array of bytea, int8 or timestamptz: none holds a comma, a quote or NULL. */
function parseElements(text: string): string[] {
  return text === "{}"
    ? []
    : text
        .slice(1, -1)
        .split(",")
        .map((item) => item.replace(/^"\\?|"$/g, ""));
}
