// Texts by key, with {placeholders} and plural forms (`key.one`, `key.other`).
import { createStore, useStore } from './store.js';
import { preferences } from './preferences.js';

export const LANGUAGES = { en: 'English', es: 'Español' };

const tables = {};
export const language = createStore({ code: 'en', plural: new Intl.PluralRules('en') });

function wanted() {
  const chosen = preferences.get().language;
  if (chosen in LANGUAGES) return chosen;
  const preferred = navigator.languages ?? [navigator.language];
  for (const tag of preferred) {
    const code = tag.slice(0, 2).toLowerCase();
    if (code in LANGUAGES) return code;
  }
  return 'en';
}

// The language for names of tags; none for English, which is that of the tags themselves.
export const tagLanguage = () => (wanted() === 'en' ? '' : wanted());

async function table(code) {
  if (!tables[code]) {
    const response = await fetch(new URL(`./text/${code}.json`, import.meta.url));
    if (!response.ok) throw new Error(`no texts in ${code}`);
    tables[code] = await response.json();
  }
  return tables[code];
}

// Loads the texts of the language in force; called again when it is changed.
export async function loadLanguage() {
  const code = wanted();
  await table(code);
  document.documentElement.lang = code;
  language.set({ code, plural: new Intl.PluralRules(code) });
}

export function t(key, values = {}) {
  const { code, plural } = language.get();
  const texts = tables[code] ?? {};
  let text = texts[key];
  if (text === undefined && 'n' in values) {
    text = texts[`${key}.${plural.select(values.n)}`] ?? texts[`${key}.other`];
  }
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) =>
    name in values ? (typeof values[name] === 'number' ? number(values[name]) : values[name]) : whole);
}

// Whether there is a text for a key, for codes that the server may add.
export const hasText = (key) => key in (tables[language.get().code] ?? {});

// Components that show texts call this, so that they follow a change of the language.
export const useLanguage = () => useStore(language).code;

export const number = (value, options) =>
  new Intl.NumberFormat(language.get().code, options).format(value);

export function bytes(value) {
  if (value == null) return '';
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return number(value, {
    style: 'unit', unit: units[unit], unitDisplay: unit ? 'short' : 'long',
    maximumFractionDigits: value < 10 && unit ? 1 : 0,
  });
}

// The server's dates are wall-clock time without a zone: they are read and shown in UTC, so that no browser moves them.
export function parseDate(text) {
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d))?/.exec(text ?? '');
  if (!parts) return null;
  const [, year, month, day, hour = 0, minute = 0, second = 0] = parts.map(Number);
  return new Date(Date.UTC(year, month - 1, day, hour || 0, minute || 0, second || 0));
}

const formatters = new Map();

function formatter(options) {
  const key = language.get().code + JSON.stringify(options);
  if (!formatters.has(key)) {
    formatters.set(key, new Intl.DateTimeFormat(language.get().code, { timeZone: 'UTC', ...options }));
  }
  return formatters.get(key);
}

export function formatDate(text, options = { dateStyle: 'long', timeStyle: 'short' }) {
  const date = text instanceof Date ? text : parseDate(text);
  return date ? capitalise(formatter(options).format(date)) : '';
}

const capitalise = (text) => text.charAt(0).toLocaleUpperCase(language.get().code) + text.slice(1);

// "Today", "Yesterday", or the date of a day `YYYY-MM-DD`; short where there is little room.
export function dayHeading(day, isShort = false) {
  const date = parseDate(day);
  if (!date) return day;
  const now = new Date();
  const today = Date.UTC(now.getFullYear(), now.getMonth(), now.getDate());
  const ago = Math.round((today - date.getTime()) / 86_400_000);
  if (ago === 0) return t('day.today');
  if (ago === 1) return t('day.yesterday');
  const options = isShort ? { day: 'numeric', month: 'short' } : { weekday: 'short', day: 'numeric', month: 'long' };
  if (date.getUTCFullYear() !== now.getFullYear()) options.year = 'numeric';
  return formatDate(date, options);
}
