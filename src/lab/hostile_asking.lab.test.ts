/**
 * Pitfall 28: a guest whose root speaks the agent's language and abuses it. It greets as an agent should, and then asks
 * all day, lies about its load, names nodes that do not exist and repeats itself. The neighbour must not notice.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { Daemon } from "../daemon/daemon.ts";
import { replay } from "../daemon/replay.ts";
import { REQUESTS_KEPT } from "../daemon/request_log.ts";
import { REQUESTS_PER_SECOND_MAX } from "../hypervisor/guest/monitor_link.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { DomainView } from "../protocol/state_view.ts";
import type { Guest } from "./guest.ts";
import { journalAt } from "./journal_suite.ts";
import { type Lab, startLab } from "./lab.ts";
import { hasOneToItself, onlineInGuest, until, vcpuPins } from "./real_host_suite.ts";

const WAIT = { timeout: 60_000, interval: 100 };
const PORT = "/dev/virtio-ports/org.vbal.agent.0";

let lab: Lab;
let liar: Guest;
let neighbour: Guest;
let daemon: Daemon;
const log: string[] = [];

beforeAll(async () => {
  lab = await startLab({ dir: "hostile", restore: true });
  [liar, neighbour] = await Promise.all([
    lab.boot({ name: "liar", vcpus: 2, agent: "none" }),
    lab.boot({ name: "neighbour", vcpus: 2, agent: "vbal" }),
  ]);
  await Promise.all([liar.waitReady(), neighbour.waitReady()]);
  await liar.output(["sh", "-c", `cat > /tmp/liar <<'END'\n${LIAR}\nEND`]);
  rmSync(folder(), { recursive: true, force: true });
  daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: { ...DEFAULT_POLICY, pool: [0, 1] },
      journal: { ...DEFAULT_CONFIG.journal, path: join(folder(), "journal.jsonl") },
      control: { ...DEFAULT_CONFIG.control, socket: join(folder(), "control.sock") },
    },
    configFile: null,
    hypervisor: createQmpAdapter({
      domains: [liar, neighbour].map(({ name, qmpSocket, agentSocket }) => ({
        name,
        qmp: qmpSocket,
        agent: agentSocket,
      })),
    }),
    version: "test",
    log: ({ text }) => log.push(text),
  });
  await daemon.start();
});

afterAll(async () => {
  await daemon.kill();
  await lab.down();
  rmSync(folder(), { recursive: true, force: true });
});

test("a flood, lies, nodes that are not there, repeated ids: each with a reason, and the neighbour keeps what it has", async () => {
  // Alone in speaking, it is on a pCPU of its own; the liar, silent so far, is confined to the other.
  await until(
    "the neighbour has a pCPU to itself",
    () => hasOneToItself(neighbour, [liar]),
    (yes) => yes,
  );
  const before = await shareOf(neighbour);
  const seen = new Set<string>();
  let watching = true;
  const watched = (async () => {
    while (watching) seen.add(JSON.stringify(await shareOf(neighbour)));
  })();

  const lies = await liar.output(["sh", "/tmp/liar", PORT], { deadlineMs: 120_000 });
  await expect
    .poll(() => log.join("\n"), WAIT)
    .toMatch(/liar\.agent (asked for vCPUs more than|sends too much)/);
  watching = false;
  await watched;
  expect([...seen]).toEqual([JSON.stringify(before)]);

  // What it heard: never a grant, each denial with a code and a sentence, a repeated id answered as before.
  const answers = lies.split("\n").flatMap((line) => answerIn(line));
  expect(answers.map(({ outcome }) => outcome)).not.toContain("granted");
  expect(answers.every(({ why }) => 0 < why.length)).toBe(true);
  expect(answers.map(({ code }) => code)).toEqual(expect.arrayContaining(["no-such-node", "not-exceeded"]));
  const repeated = answers.filter(({ request }) => request === "again").map((each) => JSON.stringify(each));
  expect(repeated.length).toBeGreaterThan(1);
  expect(new Set(repeated).size).toBe(1);

  // What it cost: so many requests per second were looked at, so many are kept.
  const { records, seconds } = journalled();
  const asked = records.flatMap(({ record }) =>
    record.kind === "event" && record.event.kind === "requested" ? record.event.requests : [],
  );
  expect(asked.length).toBeLessThanOrEqual(REQUESTS_PER_SECOND_MAX * (seconds + 1));
  expect(viewOf("liar")!.requests!.length).toBeLessThanOrEqual(REQUESTS_KEPT);
  expect(await daemon.stop()).not.toContain("neighbour");
  expect(replay(journalled().records, "start").differences).toEqual([]);
  expect(await onlineInGuest(neighbour)).toBe("0-1");
}, 300_000);

function folder(): string {
  return join(lab.folder, "daemon");
}

function viewOf(name: string): DomainView | undefined {
  return daemon.view().domains.find((domain) => domain.name === name);
}

/** Pins, vCPUs and entitlement. */
async function shareOf(guest: Guest): Promise<object> {
  const { entitlementMilliPcpu, target, loan } = viewOf(guest.name)!;
  return {
    pins: await vcpuPins(guest),
    online: await onlineInGuest(guest),
    entitlementMilliPcpu,
    target,
    loan,
  };
}

interface Heard {
  readonly request: string;
  readonly outcome: string;
  readonly code: string;
  readonly why: string;
}

/** The answers to requests among the host's messages; the first or last line may be cut. */
function answerIn(line: string): Heard[] {
  if (!line.startsWith("{") || !line.endsWith("}")) return [];
  const message = JSON.parse(line) as { kind: string; request: string; answer: Omit<Heard, "request"> };
  return message.kind === "answer" ? [{ request: message.request, ...message.answer }] : [];
}

function journalled() {
  const records = journalAt(join(folder(), "journal.jsonl"));
  const times = records.flatMap(({ record }) => ("now" in record ? [record.now] : []));
  return { records, seconds: Math.ceil((times.at(-1)! - times[0]!) / 1_000) };
}

/**
 * Speaks as an agent does until the host counts its load monitor as at work, then abuses that: one request with each
 * lie, spread over seconds so that they are heard, then thousands at once. Prints what the host said.
 */
const LIAR = String.raw`
exec 3<>"$1"
report() {
  vcpu='"isolated":false,"socket":0,"core":0,"node":0,"stealNs":-1'
  echo '{"kind":"report","preflight":[],"vcpus":[{"vcpu":0,"online":true,"canOffline":false,'"$vcpu"'},{"vcpu":1,"online":false,"canOffline":true,'"$vcpu"'}]}' >&3
}
ask() { # id, exceeded, target
  echo '{"kind":"request","request":"'"$1"'","origin":"monitor","exceeded":'"$2"',"target":'"$3"'}' >&3
}
echo >&3
field() { echo "$line" | sed 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/'; }
hear() {
  while read -r line <&3; do
    echo "$line"
    case "$line" in
      *'"kind":"hello"'*)
        echo '{"kind":"hello","versions":[1,2],"agent":"liar","session":"'"$(field session)"'","mechanisms":["offline"]}' >&3
        report ;;
      *'"kind":"monitor"'*)
        echo '{"kind":"monitor-set","id":'"$(field id)"',"unknown":[],"inForce":[]}' >&3
        report
        : > /tmp/told ;;
    esac
  done
}
hear &
reader=$!
until [ -e /tmp/told ]; do usleep 100000; done
sleep 2
lie='{"measure":"vm.composite","level":"vm","subject":-1,"value":1000000,"threshold":1}'
tame='{"measure":"vm.composite","level":"vm","subject":-1,"value":1,"threshold":1}'
node() { echo '{"kind":"node","id":'"$1"'}'; }
for round in 1 2 3; do
  report; ask "lie-$round" "$lie" null; sleep 1
  report; ask "nowhere-$round" "$lie" "$(node 77)"; sleep 1
  report; ask "tame-$round" "$tame" null; sleep 1
  report; ask again "$lie" "$(node 9)"; sleep 1
done
i=0
while [ $i -lt 3000 ]; do ask "flood-$i" "$lie" null; i=$((i + 1)); done
sleep 3
kill $reader
`;
