// A curl line of the documentation, run by curl, or by a small client that knows the options used there where curl is not installed.
import { execFile, spawnSync } from "node:child_process";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

const hasCurl = spawnSync("curl", ["--version"], { stdio: "ignore" }).status === 0;

/** Standard output of the line; empty where nobody answers. */
export function curl(line: string): Promise<string> {
  const [program, ...args] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  if (program !== "curl") throw new TypeError(`not a curl line: ${line}`);
  if (!hasCurl) return ask(args);
  return new Promise((resolve) => {
    execFile("curl", ["--max-time", "10", ...args], (_error, stdout) => resolve(stdout));
  });
}

function ask(args: readonly string[]): Promise<string> {
  const options = { method: "GET", head: false, url: "", headers: {} as Record<string, string> };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    if (arg === "-i") options.head = true;
    else if (arg === "-X") options.method = args[++index] ?? "";
    else if (arg === "-H") {
      const [, name = "", value = ""] = /^([^:]+): (.*)$/.exec(args[++index] ?? "") ?? [];
      options.headers[name] = value;
    } else if (!arg.startsWith("-")) options.url = arg;
    else if (arg !== "-s" && arg !== "-k" && arg !== "--path-as-is") throw new TypeError(`unknown option ${arg}`);
  }
  // Not by URL, which would take `..` out of the path.
  const [, scheme, host, port, path = "/"] = /^(https?):\/\/([^:/]+):(\d+)(.*)$/.exec(options.url) ?? [];
  const send = scheme === "https" ? httpsRequest : httpRequest;
  const { method, headers } = options;
  return new Promise((resolve) => {
    const sent = send({ host, port, path, method, headers, agent: false, rejectUnauthorized: false }, (response) => {
      let text = options.head ? `HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\n\r\n` : "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
      response.on("error", () => resolve(""));
    });
    sent.on("error", () => resolve(""));
    sent.end();
  });
}
