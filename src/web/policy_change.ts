/** From what was typed into the form to what the daemon is asked. */

/** The fields as the config file would have them; only those that were typed. */
export function changeOf(fields: Fields): Readonly<Record<string, unknown>> {
  const vcpus = {
    ...(fields.vcpusMin === undefined ? {} : { min: numberOr(fields.vcpusMin, "default") }),
    ...(fields.vcpusMax === undefined ? {} : { max: numberOr(fields.vcpusMax, "none") }),
  };
  return {
    ...(fields.weight === undefined ? {} : { weight: numberOr(fields.weight, "default") }),
    ...(fields.reservation === undefined ? {} : { reservation: numberOr(fields.reservation, "default") }),
    ...(fields.cap === undefined ? {} : { cap: numberOr(fields.cap, "none") }),
    ...(Object.keys(vcpus).length === 0 ? {} : { vcpus }),
    ...(fields.managed === undefined ? {} : { managed: fields.managed === "true" }),
  };
}

export interface Fields {
  readonly weight?: string;
  readonly reservation?: string;
  readonly cap?: string;
  readonly vcpusMin?: string;
  readonly vcpusMax?: string;
  readonly managed?: string;
}

/** The daemon says what is wrong with a text that is no number. */
export function numberOr(text: string, empty: string): number | string {
  const trimmed = text.trim();
  if (trimmed === "") return empty;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}
