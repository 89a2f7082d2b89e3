/** One thing that the doctor looked at. */
export interface Check {
  /** Stable, for scripts: "permission", "guest.web.agent". */
  readonly id: string;
  /** `false`: vbal cannot do its work, or something works against it. */
  readonly ok: boolean;
  /** What is so. */
  readonly found: string;
  /** What to do; may be there for what is well enough; empty for nothing. */
  readonly advice: string;
}

export function fine(id: string, found: string, advice = ""): Check {
  return { id, ok: true, found, advice };
}

export function bad(id: string, found: string, advice: string): Check {
  return { id, ok: false, found, advice };
}
