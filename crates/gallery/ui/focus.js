// Keeping the focus where it belongs.
import { useEffect, useLayoutEffect } from './html.js';

const FOCUSABLE = 'a[href], button:not([disabled]), input:not([disabled]), select:not([disabled]), [tabindex="0"]';

// Focuses the element when it appears, and gives the focus back when it goes.
export function useFocusWithin(element, { initial } = {}) {
  useLayoutEffect(() => {
    const before = document.activeElement;
    const target = (initial && element.current.querySelector(initial)) ?? element.current;
    target.focus({ preventScroll: true });
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
}

// The tab key goes round within the element.
export function trapTab(event, element) {
  if (event.key !== 'Tab') return;
  const all = [...element.querySelectorAll(FOCUSABLE)].filter((it) => it.offsetParent !== null && it.tabIndex >= 0);
  if (!all.length) return;
  const [first, last] = [all[0], all.at(-1)];
  if (!element.contains(document.activeElement)) {
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  } else if (event.shiftKey && (document.activeElement === first || document.activeElement === element)) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && document.activeElement === last) {
    event.preventDefault();
    first.focus();
  }
}

// Calls `close` for a click or a focus outside of the element, and for Escape.
export function useDismiss(element, isOpen, close) {
  useEffect(() => {
    if (!isOpen) return undefined;
    const outside = (event) => { if (!element.current?.contains(event.target)) close(); };
    const key = (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        close();
      }
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    element.current?.addEventListener('keydown', key);
    const held = element.current;
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
      held?.removeEventListener('keydown', key);
    };
  }, [isOpen]);
}

// Whether keys are meant for a text field.
export const isTyping = ({ target }) =>
  target.isContentEditable || ['TEXTAREA', 'SELECT'].includes(target.tagName) ||
  (target.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(target.type));
