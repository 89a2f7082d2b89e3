import { expect, test } from "vitest";
import { GuestOfData } from "./guest_of_data.ts";
import { HOST_LAYER_PATH, readHostLayer, writeHostLayer } from "./host_layer.ts";
import { MONITOR_DEFAULTS, thresholdsOf } from "./monitor_config.ts";
import { thresholdsText } from "./thresholds_command.ts";

test("P-57..P-61: every layer is shown, the host's too, and goes with the host", () => {
  const guest = new GuestOfData(1);
  const file = { "vm.cycles": 5, "vcpu.composite": 3 };
  const rows = (): Record<string, unknown>[] => {
    const host = readHostLayer(guest, HOST_LAYER_PATH);
    const config = { ...MONITOR_DEFAULTS, file: { origin: "file" as const, values: file } };
    const text = thresholdsText(thresholdsOf(config, host), { json: true, file, host });
    const { thresholds } = JSON.parse(text) as { thresholds: Record<string, unknown>[] };
    return thresholds.filter(({ id }) => id === "vcpu.composite" || id === "vm.cycles");
  };
  writeHostLayer(guest, HOST_LAYER_PATH, { "vcpu.composite": null });
  expect(rows()).toMatchObject([
    { id: "vm.cycles", threshold: 5, origin: "file", layers: { file: 5 } },
    { id: "vcpu.composite", threshold: null, origin: "host", layers: { default: 1, file: 3, host: null } },
  ]);
  writeHostLayer(guest, HOST_LAYER_PATH, null);
  expect(rows()[1]).toMatchObject({ threshold: 3, origin: "file", layers: { default: 1, file: 3 } });
});
