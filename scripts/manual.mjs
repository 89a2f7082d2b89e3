/** Man pages from what the programs say of themselves, so that there is one source of the truth. */

/** vbal(1). `ask` runs vbal with arguments and resolves with what it printed. */
export async function commandManual({ version, ask }) {
  const help = await ask("--help");
  const sections = [];
  for (const command of commandsOf(help)) {
    sections.push(`.SS vbal ${command}`, ...verbatim(await ask(...command.split(" "), "--help")));
  }
  return [
    heading("vbal", 1, version, "vbal"),
    ".SH NAME",
    `vbal \\- ${escaped(firstLine(help)).replace(/\.$/, "")}`,
    ".SH SYNOPSIS",
    ".B vbal",
    ".I COMMAND",
    "[options]",
    ".SH DESCRIPTION",
    "The guest schedules threads on vCPUs, the hypervisor schedules vCPUs on pCPUs, and each is blind to the other.",
    "vbal gives every virtual machine pCPUs by weight, lets it use as many vCPUs, and places each on a pCPU of its own.",
    ".SH COMMANDS",
    ...sections,
    ".SH FILES",
    ...[
      ["/etc/vbal/vbal.yaml", "The config of the daemon; every field is explained in it."],
      ["/var/lib/vbal/journal.jsonl", "Every event and decision; vbal replay reads it."],
      ["/run/vbal/control.sock", "Where the daemon is spoken to."],
    ].flatMap(([path, what]) => [".TP", `.I ${path}`, escaped(what)]),
    ".SH EXIT STATUS",
    "0 done, 1 failed, 2 wrong command line, 3 no daemon answers, 4 a wrong or unreadable file.",
    ".SH SEE ALSO",
    ".BR vbal-agent (8)",
    "",
  ].join("\n");
}

/** vbal-agent(8), whose help says it all. */
export function plainManual({ version, help }) {
  const [name, what] = firstLine(help).split(": ");
  return [
    heading(name, 8, version, "vbal"),
    ".SH NAME",
    `${name} \\- ${escaped(what)}`,
    ".SH DESCRIPTION",
    ...verbatim(help.split("\n").slice(1).join("\n")),
    ".SH SEE ALSO",
    ".BR vbal (1)",
    "",
  ].join("\n");
}

/** Of the usage lines, each command with its own help once, in their order. */
function commandsOf(help) {
  const usage = [
    ...help.matchAll(/^(?:Usage:|\s{6,})\s*vbal ([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)?)(?= |$)/gm),
  ];
  return [...new Set(usage.map(([, command]) => command))].filter(
    (command) => !/^(help|completion)/.test(command),
  );
}

function heading(name, section, version, source) {
  return `.TH ${name.toUpperCase()} ${section} "" "${source} ${version}"`;
}

function verbatim(text) {
  return [".nf", ...text.trim().split("\n").map(escaped), ".fi"];
}

function firstLine(text) {
  return text.trim().split("\n")[0];
}

/** What roff would read as its own. */
function escaped(line) {
  return line
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}
