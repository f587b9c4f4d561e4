// What the visitor chose, kept in this browser.
import { createStore } from './store.js';

const PREFIX = 'etiqueta.';

function read(name, fallback) {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback;
  } catch {
    return fallback;
  }
}

export const preferences = createStore({
  theme: read('theme', 'system'),
  language: read('language', 'system'),
  density: read('density', 'medium'),
});

export function prefer(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is blocked: it holds until the page is left.
  }
  preferences.set({ [name]: value });
  if (name === 'theme') applyTheme();
}

function applyTheme() {
  const { theme } = preferences.get();
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
