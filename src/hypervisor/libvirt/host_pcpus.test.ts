import { expect, test } from "vitest";
import { parseHostPcpus } from "./host_pcpus.ts";

/** As a two-socket host without SMT siblings on its second socket says it, cut down to what is read. */
const CAPABILITIES = `<capabilities><host>
  <topology><cells num='2'>
    <cell id='0'><memory unit='KiB'>1</memory><cpus num='2'>
      <cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0,2'/>
      <cpu id='2' socket_id='0' die_id='0' core_id='0' siblings='0,2'/></cpus></cell>
    <cell id='1'><cpus num='2'>
      <cpu id='1' socket_id='1' core_id='0' siblings='1'/>
      <cpu id='3' socket_id='1' core_id='1' siblings='3'/></cpus></cell>
  </cells></topology>
  CACHE
</host></capabilities>`;

/** "id: core llc node". */
function rows(cache: string): string[] {
  return parseHostPcpus(CAPABILITIES.replace("CACHE", cache)).map(
    ({ id, core, llc, node }) => `${id}: ${core} ${llc} ${node}`,
  );
}

test("cores and nodes from the cells, caches from the banks of the last level", () => {
  const banks = `<cache><bank id='0' level='2' type='both' cpus='0'/>
    <bank id='0' level='3' type='both' cpus='0,2'/><bank id='1' level='3' type='both' cpus='1,3'/></cache>`;
  expect(rows(banks)).toEqual(["0: 0 0 0", "1: 1 1 1", "2: 0 0 0", "3: 3 1 1"]);
});

test("a host that hides its caches has one per node", () => {
  expect(rows("")).toEqual(["0: 0 0 0", "1: 1 1 1", "2: 0 0 0", "3: 3 1 1"]);
});

test("what names no pCPUs is refused", () => {
  expect(() => parseHostPcpus("<capabilities><host/></capabilities>")).toThrow(/name no pCPUs/);
});
