/** What a scripted monitor says of its migrations; the lab migrates a real QEMU (qmp_contract.lab.test.ts). */
import { afterEach, describe, expect, test } from "vitest";
import { eventually, type Peer, startPeer } from "../peer_suite.ts";
import { nodeTimers } from "../timers.ts";
import { createMigrationWatch, type MigrationWatch } from "./migration_watch.ts";
import { connectQmp, type QmpConnection } from "./qmp_connection.ts";

let peer: Peer | null = null;
let qmp: QmpConnection | null = null;
let watch: MigrationWatch | null = null;
afterEach(async () => {
  watch?.forget();
  qmp?.close();
  await peer?.close();
});

/** `status`: what query-migrate says; `null`: it knows no migrations. `knowsEvents`: it takes the capability. */
async function meet(script: { status: string | null; knowsEvents?: boolean }): Promise<boolean[]> {
  const no = { error: { class: "GenericError", desc: "There's a migration process in progress" } };
  peer = await startPeer({
    onConnect: (socket) => socket.write('{"QMP": {}}\n'),
    onLine(line, socket) {
      const { execute, id } = JSON.parse(line);
      const refuses =
        (execute === "migrate-set-capabilities" && script.knowsEvents === false) ||
        (execute === "query-migrate" && script.status === null);
      const value = execute === "query-migrate" && script.status !== "none" ? { status: script.status } : {};
      socket.write(`${JSON.stringify({ ...(refuses ? no : { return: value }), id })}\n`);
    },
  });
  const changes: boolean[] = [];
  const made = createMigrationWatch(nodeTimers, () => changes.push(made.isUnderWay()));
  watch = made;
  qmp = await connectQmp({
    path: peer.path,
    deadline: 2_000,
    timers: nodeTimers,
    onEvent: (event) => made.heed(event),
    onGarbage: (message) => expect.fail(message),
  });
  await made.meet(qmp);
  return changes;
}

describe("pitfall 20: a domain that is being migrated", () => {
  test.each([
    { status: null, is: false },
    { status: "none", is: false },
    { status: "completed", is: false },
    { status: "failed", is: false },
    { status: "cancelled", is: false },
    { status: "setup", is: true },
    { status: "active", is: true },
    { status: "cancelling", is: true },
    { status: "postcopy-paused", is: true },
    { status: "a state of some later QEMU", is: true },
  ])("found as $status: $is", async ({ status, is }) => {
    const changes = await meet({ status });
    expect(watch!.isUnderWay()).toBe(is);
    expect(changes).toEqual(is ? [true] : []);
  });

  test("events tell of the beginning and the end, each change once", async () => {
    const changes = await meet({ status: "none" });
    for (const status of ["setup", "active", "device", "completed"]) {
      peer!.say(`${JSON.stringify({ event: "MIGRATION", data: { status } })}\n`);
    }
    await eventually(() => changes.length === 2);
    expect(changes).toEqual([true, false]);
  });

  test("met in the middle of one, when no events can be had: the end is found all the same", async () => {
    const script = { status: "active", knowsEvents: false };
    const changes = await meet(script);
    expect(changes).toEqual([true]);
    script.status = "failed";
    await eventually(() => changes.length === 2);
    expect(watch!.isUnderWay()).toBe(false);
  });
});
