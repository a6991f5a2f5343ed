// The static table of HPACK (RFC 7541 appendix A): 61 fields that every connection begins with, counted from 1. Fields of one name stand
// side by side, which the encoder relies on. Never changes: the numbers are what the peer means.

/** Names and values, flat: entry n (from 1) is at 2n - 2 and 2n - 1. */
export const STATIC_FIELDS: readonly string[] = [
  ...[":authority", "", ":method", "GET", ":method", "POST", ":path", "/", ":path", "/index.html"],
  ...[":scheme", "http", ":scheme", "https"],
  ...[":status", "200", ":status", "204", ":status", "206", ":status", "304", ":status", "400"],
  ...[":status", "404", ":status", "500"],
  ...["accept-charset", "", "accept-encoding", "gzip, deflate", "accept-language", "", "accept-ranges", ""],
  ...["accept", "", "access-control-allow-origin", "", "age", "", "allow", "", "authorization", ""],
  ...["cache-control", "", "content-disposition", "", "content-encoding", "", "content-language", ""],
  ...["content-length", "", "content-location", "", "content-range", "", "content-type", "", "cookie", ""],
  ...["date", "", "etag", "", "expect", "", "expires", "", "from", "", "host", "", "if-match", ""],
  ...["if-modified-since", "", "if-none-match", "", "if-range", "", "if-unmodified-since", ""],
  ...["last-modified", "", "link", "", "location", "", "max-forwards", "", "proxy-authenticate", ""],
  ...["proxy-authorization", "", "range", "", "referer", "", "refresh", "", "retry-after", "", "server", ""],
  ...["set-cookie", "", "strict-transport-security", "", "transfer-encoding", "", "user-agent", ""],
  ...["vary", "", "via", "", "www-authenticate", ""],
];

/** How many entries the static table has; the dynamic table's newest is the next number. */
export const STATIC_ENTRIES = STATIC_FIELDS.length / 2;
