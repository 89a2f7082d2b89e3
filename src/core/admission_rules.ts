/** What guests may be given beyond what weights alone give them (P-16; admission.ts). */
export interface AdmissionRules {
  /** `demand`: what a guest leaves unused is lent to those who ask. `strict`: weights alone. */
  readonly mode: "demand" | "strict";
  /** How many vCPUs beyond its entitlement a domain may have; `null` for as many as there are. */
  readonly loansMax: number | null;
}

export const DEFAULT_ADMISSION_RULES: AdmissionRules = { mode: "demand", loansMax: null };
