// The list of images that the grid shows: pages of `GET /images`, and what happens to them meanwhile.
import { createStore } from './store.js';
import { sleep } from './pool.js';
import { ApiError, Unreachable, named, nextPage, query, request, requestJson, server, whenDiscovered, whenOnline } from './api.js';
import { tagLanguage } from './i18n.js';

const FIRST_PAGE = 100;
const PAGE = 200;
const LARGEST_PAGE = 1000;

export const photos = createStore({
  items: [], next: null, status: 'loading', error: null, total: null, search: null, hidden: new Set(), attempts: 0,
});

let loading = null;
let generation = 0;

// The parameters of `GET /images` for a state of the page.
function parameters({ q, from, to, order }) {
  const taken = order === 'taken' && server.get().features?.taken !== false;
  return { q, min_date: from, max_date: to, order: taken ? 'taken' : '' };
}

// What the list depends on.
export const searchKey = (state) => JSON.stringify([parameters(state), tagLanguage()]);

export async function load(state, { keep = false } = {}) {
  loading?.abort();
  const mine = (generation += 1);
  const controller = (loading = new AbortController());
  const wanted = parameters(state);
  if (!keep) photos.set({ items: [], next: null, status: 'loading', error: null, total: null });
  photos.set({ search: wanted });
  try {
    const { value, response } = await page(`images${query(named({ ...wanted, info: true, limit: FIRST_PAGE }))}`, controller.signal);
    if (mine !== generation) return;
    photos.set({ items: value, next: nextPage(response), status: 'ready', error: null });
    count(wanted, mine);
  } catch (error) {
    if (mine !== generation || error.name === 'AbortError') return;
    photos.set({ status: 'error', error, items: keep ? photos.get().items : [] });
    if (error instanceof Unreachable) {
      await whenOnline();
      if (mine === generation) load(state, { keep });
    }
  } finally {
    if (loading === controller) loading = null;
  }
}

const page = (path, signal) => requestJson(path, { signal });

async function count(wanted, mine) {
  photos.set({ total: photos.get().next ? null : photos.get().items.length });
  if (!photos.get().next) return;
  await whenDiscovered();
  if (mine !== generation || !server.get().features.count) return;
  try {
    const response = await request(`images${query(named({ ...wanted, limit: 1, count: true }))}`, { quiet: true });
    const total = Number(response.headers.get('X-Total-Count') ?? Number.NaN);
    if (mine === generation && Number.isFinite(total)) photos.set({ total });
  } catch {
    // The page does without the number.
  }
}

// Loads the next page, if there is one. At most one at a time.
let more = null;
let retried = false;

export function loadMore() {
  more ??= loadNext().finally(() => {
    more = null;
    // Whoever watches the end of the list asks again.
    if (retried) photos.set({ attempts: photos.get().attempts + 1 });
    retried = false;
  });
  return more;
}

async function loadNext() {
  const { next, status } = photos.get();
  if (!next || status === 'loading') return;
  const mine = generation;
  const url = new URL(next);
  url.searchParams.set('limit', PAGE);
  try {
    const { value, response } = await page(url.href);
    if (mine !== generation) {
      retried = true;
      return;
    }
    const known = new Set(photos.get().items.map(({ id }) => id));
    const fresh = value.filter(({ id }) => !known.has(id));
    photos.set({ items: [...photos.get().items, ...fresh], next: nextPage(response), status: 'ready', error: null });
    if (!photos.get().next) photos.set({ total: photos.get().items.length });
  } catch (error) {
    if (mine !== generation) return;
    // What is shown stays; scrolling on, or the server's return, tries again.
    if (!(error instanceof Unreachable)) photos.set({ error });
    await sleep((error.retryAfter ?? 2) * 1000);
    await whenOnline();
    if (mine === generation) retried = true;
  }
}

// Fetches what was registered since, and puts it in front.
let refreshing = null;
let again = false;

export function refresh() {
  if (refreshing) {
    again = true;
    return refreshing;
  }
  refreshing = fetchNew().finally(() => {
    refreshing = null;
    if (again) {
      again = false;
      refresh();
    }
  });
  return refreshing;
}

async function fetchNew() {
  const { search, status, total } = photos.get();
  if (!search || status !== 'ready') return;
  const mine = generation;
  const { value, response } = await page(`images${query(named({ ...search, info: true, limit: FIRST_PAGE }))}`).catch(() => ({}));
  if (!value || mine !== generation) return;
  const { items } = photos.get();
  const known = new Set(items.map(({ id }) => id));
  const fresh = value.filter(({ id }) => !known.has(id));
  if (!fresh.length) return;
  const isJoined = value.some(({ id }) => known.has(id)) || !items.length;
  if (!isJoined || search.order === 'taken') {
    // More came than fit into a page, or they belong somewhere in the middle.
    await renew(fresh.length);
    return;
  }
  const next = items.length ? photos.get().next : nextPage(response);
  photos.set({ items: [...fresh, ...items], next, total: total === null ? null : total + fresh.length });
}

// Fetches again what is loaded, and some more: something may have changed anywhere. What is shown stays until then.
export async function renew(more = 0) {
  const { search, status, items } = photos.get();
  if (!search || status !== 'ready') return;
  const mine = generation;
  const wanted = Math.max(FIRST_PAGE, items.length + more);
  const fresh = [];
  let url = `images${query(named({ ...search, info: true, limit: Math.min(LARGEST_PAGE, wanted) }))}`;
  while (url && fresh.length < wanted) {
    const { value, response } = await page(url).catch(() => ({}));
    if (!value || mine !== generation) return;
    fresh.push(...value);
    url = nextPage(response);
  }
  // A page that is on its way belongs to the list before.
  generation += 1;
  photos.set({ items: fresh, next: url });
  count(search, generation);
}

// --- changes -----------------------------------------------------------------------------------------------------

export function updateTags(id, tags) {
  const shown = tags.map(({ tag, confidence }) => ({ tag, confidence }));
  photos.set({ items: photos.get().items.map((item) => (item.id === id ? { ...item, tags: shown } : item)) });
}

// Images that will be deleted are left out of the grid until they are, or are taken back.
export function hide(ids) {
  photos.set({ hidden: new Set([...photos.get().hidden, ...ids]) });
}

export function show(ids) {
  const hidden = new Set(photos.get().hidden);
  ids.forEach((id) => hidden.delete(id));
  photos.set({ hidden });
}

export function forget(ids) {
  const gone = new Set(ids);
  const { items, total } = photos.get();
  const left = items.filter(({ id }) => !gone.has(id));
  photos.set({ items: left, total: total === null ? null : Math.max(0, total - (items.length - left.length)) });
  show(ids);
}

let lastItems = null;
let lastHidden = null;
let lastShown = [];

// The images that are shown, in their order.
export function shown() {
  const { items, hidden } = photos.get();
  if (items !== lastItems || hidden !== lastHidden) {
    lastItems = items;
    lastHidden = hidden;
    lastShown = hidden.size ? items.filter(({ id }) => !hidden.has(id)) : items;
  }
  return lastShown;
}

// The images shown and still to come; null while unknown.
export function totalShown() {
  const { total, hidden } = photos.get();
  return total === null ? null : Math.max(0, total - hidden.size);
}

export const isSearch = (state) => Boolean(state.q || state.from || state.to);
export const isQueryFault = (error) => error instanceof ApiError && error.status === 400;
