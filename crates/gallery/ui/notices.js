// Short messages at the bottom of the page, some with an action.
import { html } from './html.js';
import { createStore, useStore } from './store.js';
import { Icon } from './icons.js';
import { t, useLanguage } from './i18n.js';

const SECONDS = 5;
const notices = createStore({ list: [] });
let counter = 0;

// Shows a message; the result changes or removes it. `seconds: 0` stays until it is closed.
export function notify({ text, kind = 'plain', action, seconds = SECONDS, progress }) {
  const id = (counter += 1);
  let timer = null;
  const close = () => {
    clearTimeout(timer);
    notices.set({ list: notices.get().list.filter((notice) => notice.id !== id) });
  };
  const wait = (span) => {
    clearTimeout(timer);
    if (span) timer = setTimeout(close, span * 1000);
  };
  const update = (change) => {
    notices.set({ list: notices.get().list.map((notice) => (notice.id === id ? { ...notice, ...change } : notice)) });
    if ('seconds' in change) wait(change.seconds);
  };
  notices.set({ list: [...notices.get().list.slice(-3), { id, text, kind, action, progress, close }] });
  wait(seconds);
  return { close, update };
}

export const notifyError = (text, action) => notify({ text, kind: 'error', action, seconds: 10 });

// `children` stand above the messages.
export function Notices({ children }) {
  useLanguage();
  const { list } = useStore(notices);
  return html`
    <div class="notices" role="region" aria-label=${t('notices')} aria-live="polite">
      ${children}
      ${list.map((notice) => html`<${Notice} key=${notice.id} notice=${notice} />`)}
    </div>`;
}

function Notice({ notice }) {
  const { text, kind, action, progress, close } = notice;
  return html`
    <div class=${`notice ${kind}`} role=${kind === 'error' ? 'alert' : 'status'}>
      ${kind === 'error' && html`<${Icon} name="warning" />`}
      <span class="notice-text">${text}</span>
      ${progress !== undefined && html`
        <progress max="1" value=${progress} aria-label=${text}></progress>`}
      ${action && html`<button class="link strong" onClick=${() => { action.run(); if (!action.stays) close(); }}>${action.label}</button>`}
      ${kind !== 'undo' && !action?.stays && html`
        <button class="round small" aria-label=${t('close')} onClick=${close}><${Icon} name="close" size=${16} /></button>`}
    </div>`;
}
