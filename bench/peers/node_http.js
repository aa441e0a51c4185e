// Node's own HTTP server.
const http = require("http");
const echo = Boolean(process.env.BENCH_ECHO);

const server = http.createServer((request, response) => {
  const requestId = request.headers["x-fc-request-id"];
  console.log(`FC Invoke Start RequestId: ${requestId}`);
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const event = Buffer.concat(parts);
    const answer = echo ? event : Buffer.from("Hello, World!");
    response.writeHead(200, { "Content-Length": answer.length });
    console.log(`FC Invoke End RequestId: ${requestId}`);
    response.end(answer);
  });
});
server.keepAliveTimeout = 900000;
server.listen(Number(process.argv[2]), "127.0.0.1");
