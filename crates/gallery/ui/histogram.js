// How sure the photos of a tag are, with a handle that chooses those from a confidence on.
import { html, useEffect, useState } from './html.js';
import { query, requestJson } from './api.js';
import { labelOf } from './labels.js';
import { follow, urlOf } from './route.js';
import { term } from './terms.js';
import { number, t } from './i18n.js';

const WIDTH = 320;
const HEIGHT = 64;
const BINS = 20;
const STEP = 100 / BINS;

function useBins(tag, from, to) {
  const [bins, setBins] = useState(null);
  useEffect(() => {
    const controller = new AbortController();
    const load = async (signal) => {
      // The route knows labels alone.
      const label = await labelOf(tag, signal);
      const path = `tags/${encodeURIComponent(label)}/confidences${query({ min_date: from, max_date: to })}`;
      setBins((await requestJson(path, { signal, quiet: true })).value.bins);
    };
    load(controller.signal).catch(() => {});
    return () => controller.abort();
  }, [tag, from, to]);
  return bins;
}

export function Histogram({ tag, mean, from, to }) {
  const bins = useBins(tag, from, to);
  const [chosenLowest, setLowest] = useState(null);
  if (!bins) return null;
  const lowest = chosenLowest ?? Math.min(Math.floor(mean / STEP) * STEP, 100 - STEP);
  const most = Math.max(1, ...bins);
  const width = WIDTH / BINS;
  const chosen = bins.slice(lowest / STEP).reduce((sum, count) => sum + count, 0);
  const percent = number(lowest / 100, { style: 'percent' });
  const search = { view: 'photos', q: `${term(tag)}>=${lowest}`, tag: '', from, to, image: '' };
  return html`
    <figure class="timeline histogram">
      <figcaption>${t('histogram.title')}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" preserveAspectRatio="none">
        ${bins.map((count, index) => {
          const height = count ? Math.max(3, (count / most) * (HEIGHT - 2)) : 1;
          return html`<rect key=${index} class=${count && index * STEP >= lowest ? 'used' : ''} x=${index * width + 1} width=${width - 2}
            y=${HEIGHT - height} height=${height} rx="1.5"><title>${`${index * STEP}–${(index + 1) * STEP} %: ${number(count)}`}</title></rect>`;
        })}
      </svg>
      <input type="range" min="0" max=${100 - STEP} step=${STEP} value=${lowest} aria-label=${t('histogram.handle')}
        aria-valuetext=${`${percent}: ${t('tagsview.n-images', { n: chosen })}`} onInput=${(event) => setLowest(Number(event.target.value))} />
      <a class="link" href=${urlOf(search)} onClick=${follow(search)}>${t('histogram.chosen', { n: chosen, percent })}</a>
    </figure>`;
}
