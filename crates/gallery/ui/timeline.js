// How often a tag was given in each of some spans of time: one small request for each.
import { useEffect, useState } from './html.js';
import { named, query, requestJson } from './api.js';
import { pooled } from './pool.js';

const SPANS = { day: 30, month: 12, year: 10 };
const AT_A_TIME = 3;

const two = (value) => String(value).padStart(2, '0');
const iso = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

// The last spans of a unit, oldest first: `{ start, end }`, days that both belong to the span.
export function spansUntil(now, unit) {
  const spans = [];
  for (let ago = SPANS[unit] - 1; ago >= 0; ago -= 1) {
    const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
    let start = new Date(year, month, day - ago);
    let end = start;
    if (unit === 'month') {
      start = new Date(year, month - ago, 1);
      end = new Date(year, month - ago + 1, 0);
    } else if (unit === 'year') {
      start = new Date(year - ago, 0, 1);
      end = new Date(year - ago, 11, 31);
    }
    spans.push({ start: iso(start), end: iso(end) });
  }
  return spans;
}

export function useUse(tag, unit) {
  const [state, setState] = useState(() => ({ unit, spans: spansUntil(new Date(), unit) }));
  const spans = state.unit === unit ? state.spans : spansUntil(new Date(), unit);
  useEffect(() => {
    const controller = new AbortController();
    const counted = spansUntil(new Date(), unit);
    const one = async (span) => {
      // The name itself comes first among those that begin with it.
      const path = `tags${query(named({ prefix: tag, order: 'name', limit: 1, min_date: span.start, max_date: span.end }))}`;
      const { value } = await requestJson(path, { signal: controller.signal, quiet: true });
      span.count = value[0]?.tag === tag ? value[0].n_images : 0;
      setState({ unit, spans: [...counted] });
    };
    // The newest first: that is where something is most likely.
    pooled([...counted].reverse(), AT_A_TIME, (span) => one(span).catch(() => {}), controller.signal);
    return () => controller.abort();
  }, [tag, unit]);
  return spans;
}
