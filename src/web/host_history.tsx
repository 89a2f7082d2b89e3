/** The whole host over hours and days. */
import { HistoryChart } from "./history_chart.tsx";

export function HostHistory() {
  return (
    <section class="card" aria-labelledby="history-title">
      <h2 id="history-title">History of the host</h2>
      <HistoryChart domain={null} />
    </section>
  );
}
