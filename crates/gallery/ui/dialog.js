// A modal dialog, in the browser's own element: it traps the focus and closes by Escape.
import { html, useId, useLayoutEffect, useRef } from './html.js';
import { t } from './i18n.js';
import { Icon } from './icons.js';

export function Dialog({ title, onClose, children }) {
  const element = useRef();
  const id = useId();
  useLayoutEffect(() => {
    const { current } = element;
    const before = document.activeElement;
    current.showModal();
    (current.querySelector('[data-first]') ?? current.querySelector('input'))?.focus();
    return () => {
      current.close();
      before?.isConnected && before.focus({ preventScroll: true });
    };
  }, []);
  return html`
    <dialog class="dialog" ref=${element} aria-labelledby=${id} onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onClick=${(event) => { if (event.target === element.current) onClose(); }}>
      <div class="dialog-body">
        <div class="dialog-head"><h2 id=${id} class="grow">${title}</h2>
          <button class="round small" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" size=${18} /></button></div>
        ${children}
      </div>
    </dialog>`;
}
