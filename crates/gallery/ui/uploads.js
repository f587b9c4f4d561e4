// The queue of uploads. It survives a server that is busy or away: each file keeps its idempotency key, so that a retry
// never registers a second image.
import { createStore } from './store.js';
import { Unreachable, goOffline, idempotencyKey, named, problemOf, query, reportRefused, server, whenOnline } from './api.js';
import { sleep } from './pool.js';
import { refresh } from './photos.js';

const AT_A_TIME = 3;
const TRIES = 12;
// A connection that breaks each time although the server answers: something in between refuses the file.
const BREAKS = 5;
const MOST_FILES = 10_000;
const REFRESH_MS = 700;

// States of an item: waiting, sending, tagging, paused (until a time), done, failed, cancelled.
export const uploads = createStore({ items: [], isOpen: false, left: 0 });

let counter = 0;
let running = 0;

// Queues files. `left` counts those that were left out because they are no pictures.
export function enqueue(files, left = 0) {
  const known = uploads.get().items;
  const room = Math.max(0, MOST_FILES - known.length);
  const added = files.slice(0, room).map((file) => ({
    id: (counter += 1), key: idempotencyKey(), file, name: file.name, size: file.size, state: 'waiting', sent: 0, tries: 0,
    error: null, image: null, until: 0,
  }));
  uploads.set({
    items: [...known, ...added], isOpen: uploads.get().isOpen || added.length > 0 || left > 0,
    left: uploads.get().left + left + Math.max(0, files.length - room),
  });
  work();
}

function change(id, values) {
  scheduled.set(id, { ...scheduled.get(id), ...values });
  flushing ??= requestAnimationFrame(flush);
  // Hidden pages have no frames.
  if (document.hidden) flush();
}

// Changes are put into the store once a frame: a hundred uploads report progress all the time.
const scheduled = new Map();
let flushing = null;

function flush() {
  if (flushing) cancelAnimationFrame(flushing);
  flushing = null;
  if (!scheduled.size) return;
  const items = uploads.get().items.map((item) => (scheduled.has(item.id) ? { ...item, ...scheduled.get(item.id) } : item));
  scheduled.clear();
  uploads.set({ items });
}

function work() {
  flush();
  while (running < AT_A_TIME) {
    const item = uploads.get().items.find(({ state }) => state === 'waiting');
    if (!item) return;
    running += 1;
    change(item.id, { state: 'sending', sent: 0, error: null });
    flush();
    upload(item).finally(() => {
      running -= 1;
      work();
    });
  }
}

const controllers = new Map();

async function upload(item) {
  const controller = new AbortController();
  controllers.set(item.id, controller);
  const { signal } = controller;
  let breaks = 0;
  for (let tries = 1; !signal.aborted; tries += 1) {
    try {
      await waitForTurn(item, signal);
      if (signal.aborted) break;
      const image = await send(item, signal);
      change(item.id, { state: 'done', sent: 1, image, file: null });
      scheduleRefresh();
      break;
    } catch (error) {
      if (signal.aborted) break;
      const isAway = error instanceof Unreachable;
      if (isAway) {
        breaks += 1;
        goOffline();
      }
      if (error.status === 401) reportRefused();
      if (tries >= TRIES || breaks >= BREAKS || !(isAway || error.isTemporary)) {
        change(item.id, { state: 'failed', error });
        break;
      }
      if (error.isTemporary) pause(error.retryAfter ?? Math.min(30, 2 ** tries));
    }
  }
  controllers.delete(item.id);
}

// The server's `Retry-After` holds for all uploads: the others would only be refused as well.
let pausedUntil = 0;

function pause(seconds) {
  pausedUntil = Math.max(pausedUntil, Date.now() + seconds * 1000);
}

async function waitForTurn(item, signal) {
  while (!signal.aborted) {
    const wait = pausedUntil - Date.now();
    if (wait > 0) {
      change(item.id, { state: 'paused', until: pausedUntil, sent: 0 });
      await sleep(wait, signal);
    } else if (!server.get().online) {
      change(item.id, { state: 'paused', until: 0, sent: 0 });
      await Promise.race([whenOnline(), sleep(60_000, signal)]);
    } else {
      change(item.id, { state: 'sending', sent: 0 });
      return;
    }
  }
}

// `fetch` reports no progress of what is sent.
function send(item, signal) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open('POST', `image${query(named())}`);
    call.setRequestHeader('Prefer', 'return=minimal');
    call.setRequestHeader('Idempotency-Key', item.key);
    call.upload.onprogress = ({ loaded, total }) => {
      const sent = total ? loaded / total : 0;
      change(item.id, sent >= 1 ? { sent: 1, state: 'tagging' } : { sent, state: 'sending' });
    };
    call.upload.onload = () => change(item.id, { sent: 1, state: 'tagging' });
    call.onerror = () => reject(new Unreachable());
    call.onabort = () => reject(new DOMException('', 'AbortError'));
    call.onload = () => {
      if (call.status === 200) {
        try {
          resolve(JSON.parse(call.responseText));
        } catch {
          reject(new Unreachable());
        }
      } else {
        reject(problemOf(call.status, call.responseText, (name) => call.getResponseHeader(name)));
      }
    };
    signal.addEventListener('abort', () => call.abort(), { once: true });
    const form = new FormData();
    form.append('file', item.file, item.name);
    call.send(form);
  });
}

let refreshTimer = null;

function scheduleRefresh() {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = null;
    refresh();
  }, REFRESH_MS);
}

export function cancel(id) {
  controllers.get(id)?.abort();
  change(id, { state: 'cancelled' });
  flush();
}

export function cancelAll() {
  for (const { id, state } of uploads.get().items) if (isActive(state)) cancel(id);
}

export function retry(ids) {
  const chosen = new Set(ids);
  const items = uploads.get().items.map((item) =>
    chosen.has(item.id) && item.file ? { ...item, state: 'waiting', error: null, sent: 0 } : item);
  uploads.set({ items });
  work();
}

// After a log-in.
export function retryRefused() {
  retry(uploads.get().items.filter(({ error }) => error?.status === 401).map(({ id }) => id));
}

// Takes what is over out of the list.
export function clearFinished() {
  const items = uploads.get().items.filter(({ state }) => isActive(state));
  uploads.set({ items, left: 0, isOpen: items.length > 0 });
}

export const isActive = (state) => ['waiting', 'sending', 'tagging', 'paused'].includes(state);

export function summary({ items }) {
  const counts = { total: 0, active: 0, done: 0, failed: 0, progress: 0 };
  for (const { state, sent } of items) {
    if (state === 'cancelled') continue;
    counts.total += 1;
    if (isActive(state)) counts.active += 1;
    if (state === 'done') counts.done += 1;
    if (state === 'failed') counts.failed += 1;
    counts.progress += isActive(state) ? sent * 0.9 : 1;
  }
  return counts;
}

addEventListener('beforeunload', (event) => {
  if (uploads.get().items.some(({ state }) => isActive(state))) event.preventDefault();
});
