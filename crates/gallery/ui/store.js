// State shared by components: a value that is replaced, never changed in place.
import { useLayoutEffect, useReducer } from './html.js';

export function createStore(initial) {
  let value = initial;
  const listeners = new Set();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

// The value of a store; the component renders again when it changes.
export function useStore(store) {
  const [, renderAgain] = useReducer((count) => count + 1, 0);
  const seen = store.get();
  useLayoutEffect(() => {
    if (store.get() !== seen) renderAgain();
    return store.subscribe(renderAgain);
  }, [store]);
  return seen;
}
