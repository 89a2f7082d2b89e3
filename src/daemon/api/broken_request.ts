/** What is no HTTP, or too slow, or too long a head, is told so where that is possible, and the connection is closed. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ApiRefusal } from "./api_refusal.ts";
import { HEADER_BYTES_MAX } from "./request_limits.ts";

export function answerBrokenRequest(error: Error & { code?: string }, client: Duplex): void {
  if (!client.writable || error.code === "ECONNRESET") {
    client.destroy();
    return;
  }
  const refusal = refusalOf(error.code);
  const body = `${JSON.stringify(refusal.toJson())}\n`;
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  client.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => client.destroy());
}

function refusalOf(code: string | undefined): ApiRefusal {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new ApiRefusal("headers-too-large", `The head of a request may have ${HEADER_BYTES_MAX} bytes`);
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new ApiRefusal("too-slow", "The request did not come in time");
    default:
      return new ApiRefusal("bad-request", "This is no HTTP/1.1 request");
  }
}
