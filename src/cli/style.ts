/**
 * How text is set off: names for meanings, not for colours, so that a view stays readable without any. `width` of
 * styled text is that of the text alone.
 */
export interface Style {
  readonly title: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  /** Tells domains apart; the same number gives the same look. */
  readonly domain: (number: number, text: string) => string;
  /** `false`: only ASCII, for terminals and fonts that have no more. */
  readonly unicode: boolean;
}

const asIs = (text: string): string => text;

export const PLAIN: Style = {
  title: asIs,
  faint: asIs,
  good: asIs,
  warn: asIs,
  bad: asIs,
  domain: (_number, text) => text,
  unicode: true,
};

export const PLAIN_ASCII: Style = { ...PLAIN, unicode: false };
