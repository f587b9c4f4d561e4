// All tags: how often, how sure, and one of them in time.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { Unreachable, named, query, requestJson, server, thumbnail, whenOnline } from './api.js';
import { follow, go, route, urlOf } from './route.js';
import { term } from './terms.js';
import { Histogram } from './histogram.js';
import { Rules } from './rules.js';
import { useUse } from './timeline.js';
import { onViewport } from './viewport.js';
import { explain } from './errors.js';
import { formatDate, number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const LIMIT = 1000;
const ROW = 52;
const DELAY_MS = 150;

export function TagsView() {
  const language = useLanguage();
  const { tag, from, to } = useStore(route);
  const [prefix, setPrefix] = useState('');
  const [order, setOrder] = useState('count');
  const { tags, error, isLoading } = useTags(prefix, order, from, to, language);
  const most = useMemo(() => Math.max(1, ...tags.map(({ n_images: count }) => count)), [tags]);
  const chosen = tag || tags[0]?.tag || '';
  const isEmpty = !isLoading && !error && tags.length === 0;
  return html`
    <main class="page tags-page" id="main">
      <div class="page-head">
        <h1>${t('tagsview.title')}</h1>
        <span class="dim" role="status">${!isLoading && (tags.length === LIMIT ? t('tagsview.first', { n: LIMIT }) : t('tagsview.count', { n: tags.length }))}</span>
        <span class="grow"></span>
        <div class="segments" role="group" aria-label=${t('tagsview.order')}>
          ${['count', 'name'].map((it) => html`
            <button key=${it} aria-pressed=${order === it ? 'true' : 'false'} onClick=${() => setOrder(it)}>${t(`tagsview.by-${it}`)}</button>`)}
        </div>
        <label class="filter"><${Icon} name="search" size=${18} /><span class="hidden">${t('tagsview.filter')}</span>
          <input type="search" placeholder=${t('tagsview.filter')} value=${prefix} onInput=${(event) => setPrefix(event.target.value)} /></label>
      </div>
      ${error && html`<p class="error-text" role="alert">${explain(error)}</p>`}
      ${isEmpty
        ? html`<div class="empty"><${Icon} name="tag" size=${40} /><p>${prefix ? t('tagsview.no-match', { prefix }) : t('tagsview.none')}</p></div>`
        : html`<div class="tags-columns">
            <${TagTable} tags=${tags} most=${most} chosen=${chosen} />
            ${chosen && html`<${OneTag} key=${chosen} tag=${chosen} use=${tags.find((it) => it.tag === chosen)} from=${from} to=${to} />`}
          </div>`}
    </main>`;
}

function useTags(prefix, order, from, to, language) {
  const [state, setState] = useState({ tags: [], error: null, isLoading: true });
  useEffect(() => {
    const controller = new AbortController();
    const load = async () => {
      try {
        const parameters = { prefix, order, limit: LIMIT, min_date: from, max_date: to };
        const { value } = await requestJson(`tags${query(named(parameters))}`, { signal: controller.signal });
        setState({ tags: value, error: null, isLoading: false });
      } catch (error) {
        if (error.name === 'AbortError') return;
        setState((old) => ({ ...old, error, isLoading: false }));
        if (error instanceof Unreachable) {
          await whenOnline();
          if (!controller.signal.aborted) load();
        }
      }
    };
    const timer = setTimeout(load, prefix ? DELAY_MS : 0);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [prefix, order, from, to, language]);
  return state;
}

// A table whose rows outside the window are not in the document.
function TagTable({ tags, most, chosen }) {
  const element = useRef();
  const [range, setRange] = useState([0, 40]);
  // No plain effect: that would be ended after the frame in which the table has gone.
  useLayoutEffect(() => {
    const update = () => {
      const top = -element.current.getBoundingClientRect().top;
      const from = Math.max(0, Math.floor(top / ROW) - 10);
      const to = from + Math.ceil(innerHeight / ROW) + 20;
      setRange((old) => (old[0] === from && old[1] === to ? old : [from, to]));
    };
    return onViewport(update);
  }, [tags]);
  const onKey = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = Number(event.target.closest('[data-index]')?.dataset.index);
    if (!step || !tags[at + step]) return;
    event.preventDefault();
    go({ tag: tags[at + step].tag }, { replace: true });
    requestAnimationFrame(() => requestAnimationFrame(() => element.current?.querySelector(`[data-index="${at + step}"] a`)?.focus()));
  };
  return html`
    <ol class="tag-table" ref=${element} style=${{ height: `${tags.length * ROW}px` }} onKeyDown=${onKey} aria-label=${t('tagsview.title')}>
      ${tags.slice(...range).map((it, at) => {
        const index = range[0] + at;
        return html`
          <li key=${it.tag} class=${it.tag === chosen ? 'chosen' : ''} data-index=${index} style=${{ transform: `translateY(${index * ROW}px)`, height: `${ROW}px` }}>
            <a href=${urlOf({ tag: it.tag })} onClick=${follow({ tag: it.tag }, { replace: true })} aria-current=${it.tag === chosen ? 'true' : undefined}>
              <span class="ellipsis name" title=${it.tag}>${it.tag}</span>
              <${Confidence} use=${it} />
              <span class="count">${number(it.n_images)}</span>
              <span class="share" aria-hidden="true"><span style=${{ width: `${(it.n_images / most) * 100}%` }}></span></span>
            </a>
          </li>`;
      })}
    </ol>`;
}

const percent = (value) => number(value / 100, { style: 'percent', maximumFractionDigits: 0 });

// The range of confidences as a line, their mean as a dot.
function Confidence({ use }) {
  const { min_confidence: low, max_confidence: high, mean_confidence: mean } = use;
  const text = t('tagsview.confidence', { low: percent(low), high: percent(high), mean: percent(mean) });
  return html`
    <span class="confidence" role="img" aria-label=${text} title=${text}>
      <span class="line" style=${{ left: `${low}%`, width: `${Math.max(0.5, high - low)}%` }}></span>
      <span class="dot" style=${{ left: `${mean}%` }}></span>
    </span>`;
}

function OneTag({ tag, use, from, to }) {
  const search = { view: 'photos', q: term(tag), tag: '', from: '', to: '' };
  const { features } = useStore(server);
  const [pictures, setPictures] = useState([]);
  useEffect(() => {
    const controller = new AbortController();
    requestJson(`images${query(named({ q: term(tag), info: true, limit: 9 }))}`, { signal: controller.signal, quiet: true })
      .then(({ value }) => setPictures(value), () => {});
    return () => controller.abort();
  }, [tag]);
  return html`
    <aside class="one-tag" aria-label=${tag}>
      <h2 class="ellipsis" title=${tag}>${tag}</h2>
      ${use && html`
        <dl class="numbers">
          <div><dt>${t('tagsview.images')}</dt><dd>${number(use.n_images)}</dd></div>
          <div><dt>${t('tagsview.mean')}</dt><dd>${percent(use.mean_confidence)}</dd></div>
          <div><dt>${t('tagsview.range')}</dt><dd>${percent(use.min_confidence)} – ${percent(use.max_confidence)}</dd></div>
        </dl>`}
      <${Histogram} tag=${tag} mean=${use?.mean_confidence ?? 0} from=${from} to=${to} />
      <${Timeline} tag=${tag} />
      ${features?.vocabulary && html`<${Rules} tag=${tag} />`}
      ${pictures.length > 0 && html`
        <div class="thumbs">
          ${pictures.map(({ id, file_name: name }) => html`
            <a key=${id} href=${urlOf({ ...search, image: id })} onClick=${follow({ ...search, image: id })}>
              <img src=${thumbnail(id, 256)} alt=${name || t('viewer.label')} loading="lazy" /></a>`)}
        </div>`}
      <a class="button quiet" href=${urlOf(search)} onClick=${follow(search)}><${Icon} name="photos" size=${18} />${t('tagsview.show-all')}</a>
    </aside>`;
}

const WIDTH = 320;
const HEIGHT = 96;

// How often a tag was given, span by span.
function Timeline({ tag }) {
  const [unit, setUnit] = useState('month');
  const spans = useUse(tag, unit);
  const most = Math.max(1, ...spans.map(({ count }) => count ?? 0));
  const width = WIDTH / spans.length;
  const label = ({ start }) => formatDate(start, unit === 'year' ? { year: 'numeric' }
    : unit === 'month' ? { month: 'short', year: 'numeric' } : { day: 'numeric', month: 'short' });
  const go_ = ({ start, end }) => ({ view: 'photos', q: term(tag), from: start, to: end, tag: '', image: '' });
  return html`
    <figure class="timeline">
      <figcaption>
        <span class="grow">${t('timeline.title')}</span>
        <span class="segments small" role="group" aria-label=${t('timeline.unit')}>
          ${['day', 'month', 'year'].map((it) => html`
            <button key=${it} aria-pressed=${unit === it ? 'true' : 'false'} onClick=${() => setUnit(it)}>${t(`timeline.${it}`)}</button>`)}
        </span>
      </figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${t('timeline.label', { tag })} preserveAspectRatio="none">
        ${spans.map((span, index) => {
          const height = span.count ? Math.max(3, (span.count / most) * (HEIGHT - 4)) : 1;
          return html`<rect key=${span.start} class=${span.count ? 'used' : ''} x=${index * width + 1} width=${Math.max(1, width - 2)}
            y=${HEIGHT - height} height=${height} rx="1.500"><title>${label(span)}: ${number(span.count ?? 0)}</title></rect>`;
        })}
      </svg>
      <div class="axis" aria-hidden="true"><span>${label(spans[0])}</span><span>${label(spans.at(-1))}</span></div>
      <ol class="hidden">
        ${spans.filter(({ count }) => count).map((span) => html`
          <li key=${span.start}><a tabIndex="-1" href=${urlOf(go_(span))}>${label(span)}: ${t('tagsview.n-images', { n: span.count })}</a></li>`)}
      </ol>
    </figure>`;
}
