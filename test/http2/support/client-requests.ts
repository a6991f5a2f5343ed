// What our client and node's ask a server whose answers are tried: streams 1, 3, 5 and 7.

export const UPLOADING = 3;
/** More than a first window. */
export const UPLOAD = Buffer.alloc(100_000, "u");

export interface Asked {
  readonly stream: number;
  readonly method: "GET" | "POST";
}

export const ASKED: readonly Asked[] = [
  { stream: 1, method: "GET" },
  { stream: UPLOADING, method: "POST" },
  { stream: 5, method: "GET" },
  { stream: 7, method: "GET" },
];
