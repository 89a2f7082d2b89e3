/** Every named workload, in the order in which `vbal sim list` shows them. Adding one is one file and one line here. */
import { apache } from "./apache.ts";
import { canneal } from "./canneal.ts";
import { dedup } from "./dedup.ts";
import { kernelBuild } from "./kernel_build.ts";
import type { LibraryWorkload } from "./library_workload.ts";
import { histogram, wordcount } from "./map_reduce.ts";
import { streamcluster } from "./streamcluster.ts";
import { swaptions } from "./swaptions.ts";
import { computeOnly, futexBarrier, mm, spinBarrier, spinlock } from "./synthetic.ts";

export const LIBRARY: readonly LibraryWorkload[] = [
  canneal,
  dedup,
  swaptions,
  streamcluster,
  histogram,
  wordcount,
  apache,
  kernelBuild,
  computeOnly,
  spinBarrier,
  futexBarrier,
  spinlock,
  mm,
];
