/** The API on the calling thread: for tests, which start daemons by the hundred. */
import { serveApi } from "./serve_api.ts";
import type { StartApi } from "./start_api.ts";
import { withOwnersMask } from "./unix_socket.ts";

export const startApiHere: StartApi = (options) => withOwnersMask(() => serveApi(options));
