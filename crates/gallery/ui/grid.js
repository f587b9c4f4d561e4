// The grid of images: justified rows, of which only the visible ones are in the document.
import { html, memo, useLayoutEffect, useMemo, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { preferences } from './preferences.js';
import { layOut, rowAt } from './layout.js';
import { onViewport } from './viewport.js';
import { loadMore, photos, shown } from './photos.js';
import { clearSelection, select, selectTo, selection, toggle } from './many.js';
import { follow, route, urlOf } from './route.js';
import { dayHeading, formatDate, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';
import { Picture } from './picture.js';

// Pixels that a whole date takes.
const ROOM_FOR_DATE = 230;
// Rows beyond the window that are in the document, in heights of the window.
const OVERSCAN = 0.8;
// From here on the next page is fetched.
const AHEAD = 3;
const ROW_HEIGHTS = { small: [84, 150], medium: [118, 216], large: [190, 320] };

function metricsFor(width, density) {
  const [narrow, wide] = ROW_HEIGHTS[density] ?? ROW_HEIGHTS.medium;
  const share = Math.min(1, Math.max(0, (width - 360) / 900));
  const isNarrow = width < 600;
  return {
    width, row: Math.round(narrow + (wide - narrow) * share), gap: isNarrow ? 3 : 6,
    heading: isNarrow ? 44 : 52, between: isNarrow ? 12 : 24, label: isNarrow ? 128 : 140,
  };
}

const dayOf = (order) => (image) => ((order === 'taken' && image.taken_at) || image.date).slice(0, 10);

export function Grid({ isCovered }) {
  useLanguage();
  const list = useStore(photos);
  const { density } = useStore(preferences);
  const { order } = useStore(route);
  const { ids, everything } = useStore(selection);
  const canvas = useRef();
  const [width, setWidth] = useState(0);
  const [range, setRange] = useState({ from: 0, to: 0 });
  const [focused, setFocused] = useState(null);
  const images = shown();

  const metrics = useMemo(() => metricsFor(width, density), [width, density]);
  const layout = useMemo(
    () => (width ? layOut(images, dayOf(order), metrics) : { rows: [], height: 0 }),
    [images, metrics, order],
  );
  useWidth(canvas, setWidth);
  useAnchor(canvas, layout, images);
  useVisibleRows(canvas, layout, setRange, list, isCovered);

  const rows = layout.rows.slice(range.from, range.to);
  const kept = focused && !rows.some((row) => row.tiles.some(({ index }) => images[index]?.id === focused))
    ? layout.rows.find((row) => row.tiles.some(({ index }) => images[index]?.id === focused)) : null;
  const sections = bySection(kept ? [...rows, kept].sort((a, b) => a.top - b.top) : rows);
  // One tile can be reached by the tab key; arrows go on from there.
  const entry = images.some(({ id }) => id === focused) ? focused : images[layout.rows[range.from]?.tiles[0]?.index]?.id;

  const keys = (event) => onKey(event, { images, layout, metrics, canvas: canvas.current });
  return html`
    <div class="grid" ref=${canvas} style=${{ height: `${layout.height}px` }} onKeyDown=${keys}
      onFocusIn=${(event) => setFocused(event.target.closest('[data-id]')?.dataset.id ?? null)}
      onFocusOut=${() => setFocused(null)}>
      ${sections.map(({ key, headings, tiles }) => html`
        <section key=${key}>
          ${headings.map(({ day, left, width: room, count, top }) => html`
            <div class="day" key=${day} style=${{ left: `${left}px`, width: `${room}px`, top: `${top - metrics.heading}px`, height: `${metrics.heading}px` }}>
              <h2>${dayHeading(day, room < ROOM_FOR_DATE)}</h2>
              <${DayCheck} day=${day} images=${images} order=${order} ids=${ids} count=${count} />
            </div>`)}
          <div role="list" aria-label=${t('grid.label')}>
            ${tiles.filter(({ index }) => images[index]).map(({ index, left, width: tileWidth, top, height }) => html`
              <${Tile} key=${images[index]?.id} image=${images[index]} index=${index} left=${left} top=${top} width=${tileWidth}
                height=${height} isSelected=${Boolean(everything) || ids.has(images[index]?.id)} isSelecting=${ids.size > 0}
                isEntry=${images[index]?.id === entry} />`)}
          </div>
        </section>`)}
    </div>`;
}

// Rows under the headings that they belong to.
function bySection(rows) {
  const sections = [];
  for (const { top, height, headings, tiles } of rows) {
    if (headings.length || !sections.length) {
      sections.push({ key: headings[0]?.day ?? 'rest', headings: headings.map((it) => ({ ...it, top })), tiles: [] });
    }
    for (const tile of tiles) sections.at(-1).tiles.push({ ...tile, top, height });
  }
  return sections;
}

function DayCheck({ day, images, order, ids, count }) {
  const of = dayOf(order);
  const choose = () => {
    const mine = images.filter((image) => of(image) === day).map(({ id }) => id);
    const all = mine.every((id) => ids.has(id));
    select(all ? [...ids].filter((id) => !mine.includes(id)) : [...ids, ...mine], mine[0]);
  };
  return html`
    <button class="day-check" onClick=${choose} aria-label=${t('grid.select-day', { day: dayHeading(day), n: count })}>
      <${Icon} name="check" size=${16} />
    </button>`;
}

export function nameOf(image) {
  if (image.file_name) return image.file_name;
  const tags = image.tags?.slice(0, 3).map(({ tag }) => tag).join(', ');
  return tags || t('grid.unnamed');
}

function describe(image) {
  const tags = image.tags.slice(0, 4).map(({ tag }) => tag).join(', ');
  const when = formatDate(image.taken_at ?? image.date, { dateStyle: 'medium' });
  return [image.file_name, tags, when].filter(Boolean).join(' · ');
}

const Tile = memo(({ image, index, left, top, width, height, isSelected, isSelecting, isEntry }) => {
  useLanguage();
  const open = follow({ image: image.id });
  const onOpen = (event) => {
    if (event.shiftKey || event.metaKey || event.ctrlKey || isSelecting) {
      event.preventDefault();
      if (event.shiftKey) selectTo(image.id);
      else toggle(image.id);
    } else {
      open(event);
    }
  };
  const onCheck = (event) => {
    if (event.shiftKey) selectTo(image.id);
    else toggle(image.id);
  };
  const [beginPress, endPress] = useLongPress(() => toggle(image.id));
  const label = describe(image);
  return html`
    <div role="listitem" class=${`tile${isSelected ? ' selected' : ''}`} data-id=${image.id} data-index=${index}
      style=${{ transform: `translate(${left}px, ${top}px)`, width: `${width}px`, height: `${height}px` }}>
      <a href=${urlOf({ image: image.id })} tabIndex=${isEntry ? 0 : -1} aria-label=${label} onClick=${onOpen} draggable="false"
        onPointerDown=${beginPress} onPointerUp=${endPress} onPointerCancel=${endPress} onPointerLeave=${endPress}>
        <${Picture} id=${image.id} width=${width} height=${height} />
      </a>
      <button class="tile-check" tabIndex="-1" aria-pressed=${isSelected ? 'true' : 'false'}
        aria-label=${t('grid.select', { name: nameOf(image) })} onClick=${onCheck}><${Icon} name="check" size=${16} /></button>
      ${image.tags.length > 0 && html`
        <span class="tile-tags" aria-hidden="true">${image.tags.slice(0, 3).map(({ tag }) => html`<span>${tag}</span>`)}</span>`}
    </div>`;
});

// Touch screens have neither hover nor shift: a long press begins to select.
function useLongPress(action) {
  const timer = useRef();
  const begin = (event) => {
    if (event.pointerType !== 'touch') return;
    timer.current = setTimeout(() => {
      action();
      addEventListener('click', (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    }, 450);
  };
  return [begin, () => clearTimeout(timer.current)];
}

function useWidth(canvas, setWidth) {
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.floor(canvas.current.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(canvas.current);
    measure();
    return () => observer.disconnect();
  }, []);
}

// What is on top of the window stays there when rows are laid out again.
function useAnchor(canvas, layout, images) {
  const last = useRef(null);
  useLayoutEffect(() => {
    const previous = last.current;
    if (previous && previous.layout !== layout && previous.layout.rows.length) {
      const offset = scrollOffset(canvas.current);
      const row = previous.layout.rows[rowAt(previous.layout.rows, offset)];
      const id = offset > 80 && row && previous.images[row.tiles[0].index]?.id;
      const now = id && layout.rows.find(({ tiles }) => tiles.some(({ index }) => images[index].id === id));
      if (now && now.top !== row.top) window.scrollBy(0, now.top - row.top);
    }
    last.current = { layout, images };
  }, [layout]);
}

const scrollOffset = (canvas) => -canvas.getBoundingClientRect().top;

function useVisibleRows(canvas, layout, setRange, { next, attempts }, isCovered) {
  const latest = useRef();
  latest.current = { layout, next, isCovered };
  useLayoutEffect(() => {
    const update = () => {
      if (!canvas.current) return;
      const { layout: { rows, height }, next: more, isCovered: covered } = latest.current;
      const offset = scrollOffset(canvas.current);
      const screen = window.innerHeight;
      const from = rowAt(rows, offset - screen * OVERSCAN);
      const to = Math.min(rows.length, rowAt(rows, offset + screen * (1 + OVERSCAN)) + 1);
      setRange((old) => (old.from === from && old.to === to ? old : { from, to }));
      if (more && !covered && offset + screen * (1 + AHEAD) > height) loadMore();
    };
    return onViewport(update);
  }, [layout, next, attempts]);
}

// --- keys --------------------------------------------------------------------------------------------------------

function onKey(event, { images, layout, metrics, canvas }) {
  const tile = event.target.closest('[data-id]');
  if (!tile || event.target.tagName !== 'A') return;
  const index = Number(tile.dataset.index);
  const target = destination(event.key, index, layout.rows, images.length);
  if (event.key === ' ' || event.key === 'x') {
    event.preventDefault();
    if (event.shiftKey) selectTo(tile.dataset.id);
    else toggle(tile.dataset.id);
  } else if (event.key === 'Escape' && selection.get().ids.size) {
    clearSelection();
  } else if (target !== null && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    if (event.shiftKey) {
      if (!selection.get().anchor) toggle(tile.dataset.id);
      selectTo(images[target].id);
    }
    focusTile(canvas, layout, target, images[target].id, metrics);
  }
}

function destination(key, index, rows, count) {
  const within = (wanted) => Math.min(count - 1, Math.max(0, wanted));
  if (key === 'ArrowRight') return within(index + 1);
  if (key === 'ArrowLeft') return within(index - 1);
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  if (key !== 'ArrowDown' && key !== 'ArrowUp') return null;
  const row = rows.findIndex(({ tiles }) => tiles[0].index <= index && tiles.at(-1).index >= index);
  const { left, width } = rows[row].tiles[index - rows[row].tiles[0].index];
  const other = rows[row + (key === 'ArrowDown' ? 1 : -1)];
  if (!other) return null;
  const middle = left + width / 2;
  const distance = (tile) => Math.abs(tile.left + tile.width / 2 - middle);
  return other.tiles.reduce((best, tile) => (distance(tile) < distance(best) ? tile : best)).index;
}

// Scrolls to a tile, and focuses it once it is in the document.
function focusTile(canvas, layout, index, id, { heading }) {
  const row = layout.rows.find(({ tiles }) => tiles[0].index <= index && tiles.at(-1).index >= index);
  const top = canvas.getBoundingClientRect().top + row.top;
  const header = 84;
  if (top - heading < header) window.scrollBy(0, top - heading - header);
  else if (top + row.height > window.innerHeight - 16) window.scrollBy(0, top + row.height - window.innerHeight + 24);
  let tries = 10;
  const focus = () => {
    const link = canvas.querySelector(`[data-id="${id}"] > a`);
    if (link) link.focus({ preventScroll: true });
    else if ((tries -= 1) > 0) requestAnimationFrame(focus);
  };
  focus();
}

// Puts the focus on an image, where it is shown: after the viewer is closed.
export function focusImage(id) {
  document.querySelector(`.grid [data-id="${CSS.escape(id)}"] > a`)?.focus({ preventScroll: true });
}

