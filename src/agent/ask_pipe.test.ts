import { describe, expect, test } from "vitest";
import { AskPipe, answerPath } from "./ask_pipe.ts";
import type { Asker } from "./asking.ts";
import { GuestOfData } from "./guest_of_data.ts";
import { requestCommand } from "./request_command.ts";

const PIPE = "/run/ask";
const NODE_1 = { kind: "node", id: 1 } as const;

/** A guest in which process 77 asks; `answer` is what the agent does with what it hears. */
function ask(
  answer: ((pipe: AskPipe, asker: Asker) => void) | null,
  options: { json?: boolean } = {},
): { status: number | null; printed: string; guest: GuestOfData } {
  const guest = new GuestOfData(1);
  guest.files.set("/proc/self/stat", "77 (vbal-agent) S 1\n");
  if (answer !== null) {
    const pipe = new AskPipe(guest, PIPE, (asker) => answer(pipe, asker));
    pipe.open();
  }
  let status: number | null = null;
  let printed = "";
  requestCommand(guest, {
    askPath: PIPE,
    json: options.json ?? false,
    target: NODE_1,
    print: (text) => {
      printed += text;
    },
    end: (with_) => {
      status = with_;
    },
  });
  guest.pass(40_000);
  return { status, printed, guest };
}

describe("P-15: what a person is told", () => {
  test("granted: the vCPU, exit status 0; the answer's file is gone", () => {
    const { status, printed, guest } = ask((pipe, { asker, target }) => {
      expect([asker, target]).toEqual(["77", NODE_1]);
      pipe.tell(asker, { request: "a-1", outcome: "granted", vcpu: 3, loan: true });
    });
    expect([status, printed]).toEqual([
      0,
      "Granted: vCPU 3, lent by others for as long as they do not need it\n",
    ]);
    expect(guest.files.has(answerPath(PIPE, "77"))).toBe(false);
  });

  test("denied: the reason, exit status 1; as JSON the whole verdict", () => {
    const verdict = {
      request: "a-1",
      outcome: "denied",
      code: "paused",
      why: "The domain is paused.",
      retryAfterMs: 500,
    } as const;
    const tell = (pipe: AskPipe, { asker }: Asker): void => pipe.tell(asker, verdict);
    expect(ask(tell)).toMatchObject({
      status: 1,
      printed: "Denied (paused): The domain is paused. Ask again in 500 ms.\n",
    });
    const { status, printed } = ask(tell, { json: true });
    expect([status, JSON.parse(printed)]).toEqual([1, verdict]);
  });

  test("no agent, or no answer: exit status 2 and what that means", () => {
    const alone = ask(null);
    expect([alone.status, alone.guest.logged[0]]).toEqual([2, expect.stringContaining("No agent listens")]);
    const unheard = ask(() => undefined);
    expect([unheard.status, unheard.guest.logged[0]]).toEqual([
      2,
      expect.stringContaining("has not answered"),
    ]);
  });
});

test.each([
  ["rubbish", "dance\n"],
  ["a path for a name", '{"asker":"../etc/passwd","target":null}\n'],
  ["no target field", '{"asker":"5"}\n'],
  ["a target that no guest has", '{"asker":"5","target":{"kind":"node","id":1e300}}\n'],
])("%s in the pipe reaches nobody and is said once", (_, line) => {
  const guest = new GuestOfData(1);
  const heard: Asker[] = [];
  new AskPipe(guest, PIPE, (asker) => void heard.push(asker)).open();
  guest.writePipe(PIPE, line);
  expect([heard, guest.logged]).toEqual([[], [expect.stringContaining("makes no sense")]]);
});

test("a new agent removes what the last one left", () => {
  const guest = new GuestOfData(1);
  guest.files.set(answerPath(PIPE, "5"), "{}\n").set("/run/other", "");
  new AskPipe(guest, PIPE, () => undefined).open();
  expect([guest.files.has(answerPath(PIPE, "5")), guest.files.has("/run/other")]).toEqual([false, true]);
});
