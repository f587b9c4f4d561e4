// One picture of the server, in the size that the screen needs.
import { html, useEffect, useRef, useState } from './html.js';
import { thumbnail } from './api.js';
import { useStore } from './store.js';
import { server } from './api.js';

const SIZES = [128, 256, 512, 1024, 2048];
const RETRIES = 4;
// What was shown before is in the browser's cache, and needs no fading in.
const seen = new Set();

export function sizeFor(width, height) {
  const wanted = Math.max(width, height) * Math.min(devicePixelRatio || 1, 2);
  // A copy that is a little too small is hardly seen, and a quarter of the bytes.
  return SIZES.find((size) => size >= wanted * 0.8) ?? SIZES.at(-1);
}

// Pictures that pass by while the page scrolls fast are not fetched.
const SETTLE_MS = 120;
let lastScroll = 0;
let lastY = 0;
let isFast = false;

addEventListener('scroll', () => {
  const now = performance.now();
  const speed = Math.abs(scrollY - lastY) / Math.max(1, now - lastScroll);
  isFast = now - lastScroll < SETTLE_MS && speed > 6;
  lastScroll = now;
  lastY = scrollY;
}, { passive: true });

function settled(callback) {
  if (!isFast || performance.now() - lastScroll > SETTLE_MS) {
    callback();
    return () => {};
  }
  const timer = setTimeout(() => {
    if (performance.now() - lastScroll >= SETTLE_MS) isFast = false;
    cancel = settled(callback);
  }, SETTLE_MS);
  let cancel = () => clearTimeout(timer);
  return () => cancel();
}

export function Picture({ id, width, height, size = sizeFor(width, height), alt = '', fit = 'cover' }) {
  const source = thumbnail(id, size);
  const { online } = useStore(server);
  const [state, setState] = useState(seen.has(source) ? 'known' : 'waiting');
  const [tries, setTries] = useState(0);
  const element = useRef();

  useEffect(() => {
    if (state === 'waiting') return settled(() => setState('loading'));
    return undefined;
  }, [state]);

  // A thumbnail that is not made yet may be refused while the server is busy.
  useEffect(() => {
    if (state !== 'failed' || tries >= RETRIES || !online) return undefined;
    const timer = setTimeout(() => { setTries(tries + 1); setState('loading'); }, 1500 * 2 ** tries);
    return () => clearTimeout(timer);
  }, [state, tries, online]);

  const isShown = state !== 'waiting' && state !== 'failed';
  return html`
    <span class=${`picture ${state}`}>
      ${isShown && html`
        <img ref=${element} src=${source} alt=${alt} decoding="async" draggable="false" style=${{ objectFit: fit }}
          onLoad=${() => { remember(source); setState((old) => (old === 'known' ? old : 'loaded')); }}
          onError=${() => setState('failed')} />`}
    </span>`;
}

function remember(source) {
  if (seen.size > 5000) seen.clear();
  seen.add(source);
}
