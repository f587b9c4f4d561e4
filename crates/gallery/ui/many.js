// Work on the selected images: single requests, some at a time, with progress, a way to stop, and what changed.
import { createStore } from './store.js';
import { Unreachable, named, query, requestJson, whenOnline } from './api.js';
import { pooled, sleep } from './pool.js';
import { notify } from './notices.js';
import { explain } from './errors.js';
import { shown, updateManyTags } from './photos.js';
import { number, t } from './i18n.js';

const AT_A_TIME = 4;
const TRIES = 5;

export const selection = createStore({ ids: new Set(), anchor: null });

export const select = (ids, anchor = selection.get().anchor) => selection.set({ ids: new Set(ids), anchor });
export const clearSelection = () => selection.set({ ids: new Set(), anchor: null });

export function toggle(id) {
  const ids = new Set(selection.get().ids);
  if (!ids.delete(id)) ids.add(id);
  selection.set({ ids, anchor: id });
}

// Selects everything between the anchor and an image, beside what is selected.
export function selectTo(id) {
  const { anchor, ids } = selection.get();
  const order = shown().map((image) => image.id);
  const from = order.indexOf(anchor);
  const to = order.indexOf(id);
  if (from < 0 || to < 0) {
    toggle(id);
    return;
  }
  const between = order.slice(Math.min(from, to), Math.max(from, to) + 1);
  selection.set({ ids: new Set([...ids, ...between]), anchor });
}

// The tags of the selected images, most used first.
export function selectedTags() {
  const counts = new Map();
  const { ids } = selection.get();
  for (const image of shown()) {
    if (ids.has(image.id)) for (const { tag } of image.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

export const editTags = (ids, { add = [], remove = [] }) =>
  run(ids, 'many.editing', (id, signal) =>
    requestJson(`image/${id}/tags${query(named())}`, { method: 'PATCH', json: { add, remove }, signal }));

export const retag = (ids, provider) =>
  run(ids, 'many.retagging', (id, signal) =>
    requestJson(`image/${id}/retag${query(named({ provider }))}`, { method: 'POST', signal }));

async function run(ids, title, call) {
  const controller = new AbortController();
  const { signal } = controller;
  const list = [...ids];
  const before = new Map(shown().map(({ id, tags }) => [id, tags]));
  const changed = new Map();
  const failed = [];
  let done = 0;
  let reason = null;
  const notice = notify({
    text: t(title, { n: list.length, done: number(0) }), seconds: 0, progress: 0,
    action: { label: t('cancel'), run: () => controller.abort(), stays: true },
  });
  const one = async (id) => {
    try {
      const { value } = await patiently(() => call(id, signal), signal);
      changed.set(id, value.tags.map(({ tag, confidence }) => ({ tag, confidence })));
      done += 1;
    } catch (error) {
      if (error.name === 'AbortError') return;
      failed.push(id);
      reason = error;
    }
    notice.update({
      text: t(title, { n: list.length, done: number(done + failed.length) }), progress: (done + failed.length) / list.length,
    });
  };
  await pooled(list, AT_A_TIME, one, signal);
  updateManyTags(changed);
  notice.close();
  report({ before, changed, failed, reason, isCancelled: signal.aborted, again: () => run(failed, title, call) });
}

// Waits as long as the server says while it is busy, and for the server while it is away.
async function patiently(call, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const isAway = error instanceof Unreachable;
      if (signal.aborted || attempt >= TRIES || !(isAway || error.isTemporary)) throw error;
      if (isAway) await whenOnline();
      else await sleep((error.retryAfter ?? 2) * 1000, signal);
    }
  }
}

function report({ before, changed, failed, reason, isCancelled, again }) {
  const gained = new Map();
  const lost = new Map();
  const add = (counts, tag) => counts.set(tag, (counts.get(tag) ?? 0) + 1);
  for (const [id, tags] of changed) {
    const old = new Set((before.get(id) ?? []).map(({ tag }) => tag));
    for (const { tag } of tags) if (!old.delete(tag)) add(gained, tag);
    for (const tag of old) add(lost, tag);
  }
  const parts = [t(isCancelled ? 'many.cancelled' : 'many.done', { n: changed.size })];
  const list = (counts) => [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3)
    .map(([tag, count]) => `${tag} ×${number(count)}`).join(', ');
  if (gained.size) parts.push(t('many.gained', { tags: list(gained) }));
  if (lost.size) parts.push(t('many.lost', { tags: list(lost) }));
  if (failed.length) {
    parts.push(`${t('many.failed', { n: failed.length })} ${explain(reason)}`);
    notify({ text: parts.join(' '), kind: 'error', seconds: 20, action: { label: t('retry'), run: again } });
  } else {
    notify({ text: parts.join(' '), seconds: 10 });
  }
}
