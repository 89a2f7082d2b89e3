/**
 * The universal scalability law (N. Gunther, Guerrilla Capacity Planning, 2007): the speed-up of n threads under
 * contention (they queue for something) and coherence (they must agree pairwise). It peaks at
 * sqrt((1 - contention) / coherence).
 *
 * Example. contention 0.15, coherence 0.06: speed-ups of 1.81, 1.84, 1.69 and 1.14 with 3, 4, 6 and 12 threads.
 */
export function scalabilityLaw(threads: number, contention: number, coherence: number): number {
  return threads / (1 + contention * (threads - 1) + coherence * threads * (threads - 1));
}
