// The fish in a picture from the gateway, with fetch:  node fetch.mjs deck.jpg [http://host:port]
// Node 18 or later; a browser's fetch is the same, with a File for the body.
import { readFile } from "node:fs/promises";

const [picture, gateway = "http://127.0.0.1:8080"] = process.argv.slice(2);
const key = process.env.DECKWATCH_API_KEY;

const response = await fetch(`${gateway}/v1/classify`, {
  method: "POST",
  headers: {
    "Content-Type": "application/octet-stream",
    ...(key && { Authorization: `Bearer ${key}` }),
  },
  body: await readFile(picture),
  signal: AbortSignal.timeout(30_000),
});
const answer = await response.json();
if (!response.ok) {
  // A problem: `code` never changes, `detail` says what to do, Retry-After when to come back.
  const again = response.headers.get("Retry-After");
  console.error(`${answer.code}: ${answer.detail}${again ? ` Again in ${again} s.` : ""}`);
  process.exit(1);
}
console.log(answer.label, answer.likelihoods[answer.label]);
for (const fish of answer.fish) {
  console.log(`  ${fish.label} ${fish.score} at ${fish.box.join(", ")}`);
}
