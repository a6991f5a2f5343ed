// Identifier octets of DER (X.690 section 8.1.2) that X.509 uses.

/** Identifier octets; `explicit(n)` is constructed [n], `implicit(n)` primitive [n]. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  implicit: (n: number): number => 0x80 | n,
  explicit: (n: number): number => 0xa0 | n,
} as const;
