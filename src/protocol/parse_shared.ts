/** Fields that both directions have. */
import { ID_CHARS_MAX, MEASURE_VALUE_MAX, VCPUS_MAX, type VersionRange } from "./guest_messages.ts";
import { ascending, integer, list, misfit, orNull, quantity, text } from "./parse_fields.ts";

export function messageId(value: unknown): number {
  return integer(value, "id", { min: 0, max: Number.MAX_SAFE_INTEGER });
}

export function vcpuNumber(value: unknown, path: string): number {
  return integer(value, path, { min: 0, max: VCPUS_MAX - 1 });
}

export function vcpuList(value: unknown, path: string): readonly number[] {
  return ascending(list(value, path, { max: VCPUS_MAX, item: vcpuNumber }), path, (vcpu) => vcpu);
}

/** Versions are small; the bound only keeps rubbish out. */
const VERSION = { min: 0, max: 65_535 };

export function versionRange(value: unknown): VersionRange {
  if (!Array.isArray(value) || value.length !== 2) return misfit("versions", "a pair [min, max]", value);
  const min = integer(value[0], "versions[0]", VERSION);
  const max = integer(value[1], "versions[1]", VERSION);
  return min <= max ? [min, max] : misfit("versions", "a pair with min <= max", max);
}

/** Of a request, a measure or a threshold. */
export function idText(value: unknown, path: string): string {
  return text(value, path, { min: 1, max: ID_CHARS_MAX });
}

/** Loads are never negative. */
export function measureValue(value: unknown, path: string): number {
  return quantity(value, path, { min: 0, max: MEASURE_VALUE_MAX });
}

export function measureValueOrNull(value: unknown, path: string): number | null {
  return orNull(value, (number) => measureValue(number, path));
}
