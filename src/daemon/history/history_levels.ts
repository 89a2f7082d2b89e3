/** How the history grows coarser with age: seconds for an hour, minutes for a week, hours for a year. */
export interface HistoryLevel {
  /** How long one row is, in seconds. */
  readonly span: number;
  /** How long rows are kept, in seconds, where their bytes allow it. */
  readonly keep: number;
}

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** From fine to coarse; each level is made from the one before it. */
export const HISTORY_LEVELS: readonly [HistoryLevel, ...HistoryLevel[]] = [
  // The last hour is what a person looks at while something happens. A minute more, so that an hour is whole when it is summed up.
  { span: 1, keep: HOUR + 60 },
  // A week shows the rhythm of days.
  { span: 60, keep: 7 * DAY },
  // A year and a month: this month beside the same month of last year.
  { span: HOUR, keep: 396 * DAY },
];
