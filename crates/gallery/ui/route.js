// The state of the page in the address bar: `/?q=…&image=…`.
import { createStore } from './store.js';

const NAMES = ['view', 'q', 'from', 'to', 'order', 'image', 'tag'];

function read() {
  const search = new URLSearchParams(location.search);
  const found = {};
  for (const name of NAMES) found[name] = search.get(name) ?? '';
  if (!['tags', 'jobs', 'settings'].includes(found.view)) found.view = 'photos';
  return found;
}

export const route = createStore(read());

// The URL of a state: the current one with changes.
export function urlOf(change) {
  const next = { ...route.get(), ...change };
  const search = new URLSearchParams();
  for (const name of NAMES) {
    if (next[name] && !(name === 'view' && next.view === 'photos')) search.set(name, next[name]);
  }
  const text = search.toString().replaceAll('+', '%20');
  return text ? `?${text}` : './';
}

export function go(change, { replace = false } = {}) {
  const url = urlOf(change);
  // `depth` tells whether "back" stays within this page.
  const depth = (history.state?.depth ?? 0) + (replace ? 0 : 1);
  if (replace) history.replaceState({ ...history.state, depth }, '', url);
  else history.pushState({ depth }, '', url);
  route.set(read());
}

addEventListener('popstate', () => route.set(read()));

// Click handler of links within the page; other buttons and keys keep the browser's meaning.
export function follow(change, options) {
  return (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(change, options);
  };
}
