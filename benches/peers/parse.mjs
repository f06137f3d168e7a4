// Parse Server on the benchmark's PostgreSQL, on loopback, until it is killed.
// Usage: node parse.mjs PORT DATABASE SOCKET_FOLDER USER
import express from "express";
import { ParseServer } from "parse-server";

const [port, database, host, user] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}/parse`;
const server = new ParseServer({
  databaseURI: `postgres://${user}@localhost/${database}`,
  databaseOptions: { host, user, database },
  appId: "bench",
  masterKey: "bench-master",
  masterKeyIps: ["127.0.0.1/32", "::1"],
  serverURL: url,
  allowClientClassCreation: true,
  silent: true,
});
await server.start();
const app = express();
app.use("/parse", server.app);
app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
