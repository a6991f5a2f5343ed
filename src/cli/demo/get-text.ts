// One plain HTTP request, and the text of its answer.
import { get, type RequestOptions } from "node:http";

/** GET on this machine. Whatever the status: the body. @throws what went wrong, or that `timeoutMs` passed without a byte */
export function getText(options: RequestOptions, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ ...options, host: "127.0.0.1" }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(body));
      response.on("error", reject);
    });
    request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)));
    request.on("error", reject);
  });
}
