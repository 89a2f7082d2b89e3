/**
 * One colour per policy, in every picture. After M. Okabe and K. Ito's palette, which most colour-blind people can tell
 * apart; the order of brightness (plain dark, VCPU-Bal light) also survives a black-and-white printer.
 */
export function colourOf(policy: string): string {
  if (/^\d+$/.test(policy)) return COUNTS[Math.min(Number(policy), COUNTS.length) - 1]!;
  return COLOURS[policy] ?? OTHERS[hash(policy) % OTHERS.length]!;
}

const COLOURS: Readonly<Record<string, string>> = {
  alone: "#8a949e",
  credit: "#b4500a",
  CFS: "#b4500a",
  plain: "#b4500a",
  none: "#b4500a",
  affinity: "#4c9fd4",
  "VCPU-Bal": "#35b08a",
  "VCPU-Bal, hotplug paid": "#a9dcc9",
  vScale: "#8a5fb0",
  "strict co": "#d6739f",
  "relaxed co": "#a03d78",
  balance: "#1f6fa8",
  "dynamic allocation": "#e0b12e",
  hinted: "#6f8f3a",
  observed: "#c2a33c",
  histogram: "#1f6fa8",
  wordcount: "#e0912e",
};

/** For numbers of vCPUs: the more, the darker. */
const COUNTS = [
  "#eaf3fb",
  "#d6e8f7",
  "#bcdaf1",
  "#a0cae9",
  "#84b9e0",
  "#35b08a",
  "#5c9bcb",
  "#4684b5",
  "#356f9e",
  "#285b86",
  "#1d496e",
  "#133757",
];

const OTHERS = ["#5b6570", "#c2a33c", "#6f8f3a", "#a55f4f"];

function hash(name: string): number {
  let sum = 0;
  for (let i = 0; i < name.length; i++) sum += name.charCodeAt(i);
  return sum;
}

/** What the paper published: a mark of its own, never a policy's colour. */
export const PUBLISHED = "#000000";
export const INSIDE = "#1d7a4f";
export const OUTSIDE = "#b3261e";
export const BAND = "#cfe8d8";
