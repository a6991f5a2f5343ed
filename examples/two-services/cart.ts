// cart: a plain HTTP service. It knows nothing of TLS, certificates or policies: its proxy does all of that.
import { createServer } from "node:http";

createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  // Only our proxy reaches this port, and it removes what callers write into this field: so it can be believed.
  const caller = request.headers["x-forwarded-client-cert"];
  if (request.url === "/headers") response.end(`${JSON.stringify(request.headers, undefined, 2)}\n`);
  else response.end(`${JSON.stringify({ items: ["apple", "pear"], youAre: caller })}\n`);
}).listen(28_081, "127.0.0.1");
