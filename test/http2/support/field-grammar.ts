// What names and values of fields are made of, written down a second time, for every test of a codec or screen (RFC 9110 sections 5.5 and 5.6.2).

/** A token in lower case. */
export const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** HTAB, SP, VCHAR and obs-text, and no white space at either end. */
export const FIELD_VALUE = /^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
