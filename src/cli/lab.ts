/** `vbal lab`: real guests to try things out on. They outlive the command until `vbal lab down`. */
import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { GUEST_PROGRAMS } from "../lab/guest_program.ts";
import { attachLab, endLab, startLab } from "../lab/lab.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

const upLab = command(
  "up",
  map(
    object({
      guests: withDefault(
        option("--guests", integer({ min: 1, max: 26, metavar: "N" }), {
          description: message`How many, 2 when absent.`,
        }),
        2,
      ),
      vcpus: withDefault(
        option("--vcpus", integer({ min: 1, max: 64, metavar: "K" }), {
          description: message`vCPUs of each, 2 when absent.`,
        }),
        2,
      ),
      vcpusMax: optional(
        option("--vcpus-max", integer({ min: 1, max: 64, metavar: "K" }), {
          description: message`vCPUs can be plugged up to so many; none when absent.`,
        }),
      ),
      nodes: withDefault(
        option("--nodes", integer({ min: 1, max: 8, metavar: "N" }), {
          description: message`NUMA nodes of each, 1 when absent; they fill with vCPUs one after another.`,
        }),
        1,
      ),
      agent: withDefault(
        option("--agent", choice(["vbal", "qga", "none"]), {
          description: message`What runs in the guests: our agent, the stock one, or none.`,
        }),
        "vbal" as const,
      ),
      json: jsonOption(),
    }),
    ({ guests, vcpus, vcpusMax = vcpus, nodes, agent, json }): Deed =>
      async (terminal) => {
        const lab = await startLab({ keep: true });
        const names = Array.from({ length: guests }, (_, i) => `guest-${String.fromCharCode(97 + i)}`);
        terminal.printError(`Booting ${guests} guests of ${vcpus} vCPUs (${lab.accelerator}) ...`);
        const booted = await Promise.all(
          names.map((name) =>
            lab.boot({
              name,
              vcpus: vcpusMax,
              bootVcpus: vcpus,
              numaNodes: nodes,
              agent,
              respawnAgent: true,
            }),
          ),
        );
        await Promise.all(booted.map((guest) => guest.waitReady()));
        for (const guest of booted) guest.detach();
        const result = {
          directory: lab.folder,
          guests: booted.map(({ name, pid, qmpSocket, agentSocket, qgaSocket }) => ({
            name,
            pid,
            qmp: qmpSocket,
            agent: agentSocket,
            qga: qgaSocket,
          })),
        };
        if (json) terminal.print(renderJson(result, terminal));
        else {
          for (const { name, pid } of result.guests) terminal.print(`${name} is up (pid ${pid})`);
          terminal.print(`Point the daemon at them:  hypervisor: { kind: qmp, directory: ${lab.folder} }`);
          terminal.print("Run something in them:     vbal lab run mm");
          terminal.print("End them:                  vbal lab down");
        }
        return EXIT_CODE.ok;
      },
  ),
  { brief: message`Boot real guests that stay.` },
);

const downLab = command(
  "down",
  map(
    object({ json: jsonOption() }),
    ({ json }): Deed =>
      async (terminal) => {
        const ended = await endLab();
        if (json) terminal.print(renderJson({ ended }, terminal));
        else terminal.print(ended.length === 0 ? "No guest was running" : `Ended ${ended.join(", ")}`);
        return EXIT_CODE.ok;
      },
  ),
  { brief: message`End them, and whatever an earlier lab left.` },
);

const runLab = command(
  "run",
  map(
    object({
      program: argument(choice(GUEST_PROGRAMS, { metavar: "PROGRAM" })),
      guests: multiple(
        option("--guest", string({ metavar: "NAME" }), {
          description: message`In this guest; may be given several times. In all when absent.`,
        }),
      ),
      scale: withDefault(
        option("--scale", float({ min: 0.001, max: 1000, metavar: "FACTOR" }), {
          description: message`The amount of work, 1 when absent.`,
        }),
        1,
      ),
      json: jsonOption(),
    }),
    ({ program, guests, scale, json }): Deed =>
      async (terminal) => {
        const all = attachLab();
        const chosen = guests.length === 0 ? all : all.filter(({ name }) => guests.includes(name));
        if (chosen.length === 0) {
          throw new CliError("failed", "No such guest is running; vbal lab up boots two");
        }
        const results = await Promise.all(
          chosen.map(async (guest) => ({ guest: guest.name, ...(await guest.run(program, { scale })) })),
        );
        for (const guest of chosen) guest.detach();
        if (json) terminal.print(renderJson({ results }, terminal));
        else
          for (const { guest, seconds } of results)
            terminal.print(`${guest}: ${program} took ${seconds.toFixed(2)} s`);
        return EXIT_CODE.ok;
      },
  ),
  { brief: message`Run a program in them, at the same time, and print its seconds.` },
);

export const labCommand: Command = command("lab", or(upLab, downLab, runLab), {
  brief: message`Real guests under QEMU to try things out on.`,
  footer: commandExamples(
    ["vbal lab up --guests 2 --vcpus 2", "boot them"],
    ["vbal lab up --guests 1 --vcpus 3 --vcpus-max 4 --nodes 2", "one more can be plugged, into node 1"],
    ["vbal lab run futex-barrier --scale 0.5", "in all of them at once"],
    ["vbal lab down", "end them"],
  ),
});
