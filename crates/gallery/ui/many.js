// The selected images: single ones, or everything that a search finds.
import { createStore } from './store.js';
import { shown } from './photos.js';

// More ids than that fit into no request; a search has no such limit.
export const MOST_IDS = 10_000;

// `everything`: the search of which all images are selected, loaded or not. `change`: the dialog that is open for them.
export const selection = createStore({ ids: new Set(), anchor: null, everything: null, change: null });

const set = (ids, anchor) => selection.set({ ids, anchor, everything: null });

export const select = (ids, anchor = selection.get().anchor) => set(new Set(ids), anchor);
export const clearSelection = () => set(new Set(), null);
export const openChange = (change) => selection.set({ change });

// Selects all images of a search; `total` is null while unknown.
export function selectEverything(search, total) {
  selection.set({ ids: new Set(shown().map(({ id }) => id)), everything: { search, total } });
}

export function toggle(id) {
  const { everything, ids: old } = selection.get();
  const ids = new Set(everything ? shown().map((image) => image.id) : old);
  if (!ids.delete(id)) ids.add(id);
  set(ids, id);
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
  set(new Set([...ids, ...between]), anchor);
}

// The tags of the selected images that are loaded, most used first.
export function selectedTags() {
  const counts = new Map();
  const { ids, everything } = selection.get();
  for (const image of shown()) {
    if (everything || ids.has(image.id)) for (const { tag } of image.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}
