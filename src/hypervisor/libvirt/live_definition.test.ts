import { describe, expect, test } from "vitest";
import { parseLiveDefinition, readSet } from "./live_definition.ts";

/** The live XML of a domain with these elements besides name and UUID. */
function define(elements: string, type = "kvm") {
  return parseLiveDefinition(
    `<domain type='${type}' id='1'><name>a</name><uuid>c94d31f5-8e0f-4e6c-b7a3-40f657047c83</uuid>${elements}</domain>`,
  );
}

/** [index, place, node, what libvirt would do with it]. */
function rows(elements: string): string[] {
  return define(elements).vcpus.map(
    ({ index, guestSocket, guestCore, guestThread, guestNode, plugged, removable }) =>
      `${index}: ${guestSocket}/${guestCore}/${guestThread} node ${guestNode} ${plugged ? (removable ? "removable" : "plugged") : "free"}`,
  );
}

describe("vCPUs of a live definition", () => {
  test("without a list the first are there, each a socket of its own", () => {
    expect(rows("<vcpu placement='static' current='2'>4</vcpu>")).toEqual([
      "0: 0/0/0 node 0 plugged",
      "1: 1/0/0 node 0 plugged",
      "2: 2/0/0 node 0 free",
      "3: 3/0/0 node 0 free",
    ]);
  });

  test("a list says which are there, which came later, and in which order", () => {
    const list = `<vcpu current='3'>4</vcpu><vcpus>
      <vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>
      <vcpu id='1' enabled='yes' hotpluggable='no' order='2'/>
      <vcpu id='2' enabled='no' hotpluggable='yes'/>
      <vcpu id='3' enabled='yes' hotpluggable='yes' order='3'/></vcpus>`;
    expect(rows(list)).toEqual([
      "0: 0/0/0 node 0 plugged",
      "1: 1/0/0 node 0 plugged",
      "2: 2/0/0 node 0 free",
      "3: 3/0/0 node 0 removable",
    ]);
    expect(
      define(list)
        .vcpus.filter(({ plugged }) => plugged)
        .map(({ order }) => order),
    ).toEqual([1, 2, 3]);
  });

  test("topology and NUMA cells place them: threads first, then cores, dies, sockets (pitfall 21)", () => {
    const cpu = `<cpu><topology sockets='2' dies='1' cores='2' threads='2'/><numa>
      <cell id='0' cpus='0-3' memory='1' unit='GiB'/><cell id='1' cpus='4-7' memory='1' unit='GiB'/></numa></cpu>`;
    expect(rows(`<vcpu>8</vcpu>${cpu}`)).toEqual([
      "0: 0/0/0 node 0 plugged",
      "1: 0/0/1 node 0 plugged",
      "2: 0/1/0 node 0 plugged",
      "3: 0/1/1 node 0 plugged",
      "4: 1/0/0 node 1 plugged",
      "5: 1/0/1 node 1 plugged",
      "6: 1/1/0 node 1 plugged",
      "7: 1/1/1 node 1 plugged",
    ]);
  });
});

describe("memory is on a host node where the definition binds it to exactly one", () => {
  const cells = "<cpu><numa><cell id='0' cpus='0'/><cell id='1' cpus='1'/></numa></cpu>";
  test.each([
    ["nothing is said", "", []],
    ["all on one", "<numatune><memory mode='strict' nodeset='1'/></numatune>", [[0, 1]]],
    ["all on two", "<numatune><memory mode='strict' nodeset='0-1'/></numatune>", []],
    [
      "each cell on its own",
      `${cells}<numatune><memnode cellid='0' mode='strict' nodeset='1'/><memnode cellid='1' nodeset='0'/></numatune>`,
      [
        [0, 1],
        [1, 0],
      ],
    ],
    [
      "one cell apart from the rest",
      `${cells}<numatune><memory nodeset='2'/><memnode cellid='1' nodeset='0-1'/></numatune>`,
      [[0, 2]],
    ],
  ])("%s", (_, elements, expected) => {
    const { memory } = define(`<vcpu>2</vcpu>${elements}`);
    expect(memory.map(({ guestNode, hostNode }) => [guestNode, hostNode])).toEqual(expected);
  });
});

test("sockets of ports, I/O threads, shares, cpuset, and whether it is emulated", () => {
  const definition = define(
    `<vcpu cpuset='0-3,^2'>2</vcpu><iothreads>3</iothreads>
     <iothreadids><iothread id='2'/></iothreadids><cputune><shares>2048</shares></cputune>
     <devices>
       <channel type='unix'><source mode='bind' path='/run/a.agent'/><target type='virtio' name='org.vbal.agent.0'/></channel>
       <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
       <channel type='unix'><source mode='bind' path='/run/a.qga'/><target name='org.qemu.guest_agent.0' state='connected'/></channel>
     </devices>`,
    "qemu",
  );
  expect([...definition.channels]).toEqual([
    ["org.vbal.agent.0", "/run/a.agent"],
    ["org.qemu.guest_agent.0", "/run/a.qga"],
  ]);
  expect(definition).toMatchObject({
    ioThreads: [1, 2, 3],
    shares: 2048,
    cpuset: [0, 1, 3],
    isEmulated: true,
  });
});

test.each([
  ["no domain", "<network/>"],
  ["no vCPUs", "<domain><name>a</name><uuid>u</uuid></domain>"],
  ["too many vCPUs", "<domain><name>a</name><uuid>u</uuid><vcpu>1000000</vcpu></domain>"],
])("%s is refused", (_, text) => {
  expect(() => parseLiveDefinition(text)).toThrow(/no name, UUID or number of vCPUs/);
});

test.each([
  ["0-3,^2", [0, 1, 3]],
  ["5", [5]],
  ["0-1, 4", [0, 1, 4]],
  ["all", null],
])("the set %j is %j", (text, expected) => {
  expect(readSet(text)).toEqual(expected);
});
