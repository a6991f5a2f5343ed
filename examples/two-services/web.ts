// web: a plain HTTP service. To call cart it asks its own proxy, in plain HTTP, by the name `cart`.
import { createServer, get } from "node:http";

createServer((_request, response) => {
  const cart = { host: "127.0.0.1", port: 28_001, path: "/items", headers: { host: "cart" } };
  get(cart, (answer) => {
    response.statusCode = answer.statusCode ?? 502;
    response.write("web asked cart, and cart answered: ");
    answer.pipe(response);
  }).on("error", (error) => {
    response.statusCode = 502;
    response.end(`cart's proxy cannot be reached: ${error.message}\n`);
  });
}).listen(28_080, "127.0.0.1");
