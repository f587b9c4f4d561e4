// Preact and htm, bound to each other once.
import { h, render, Fragment } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
export { render, Fragment };

// A component that renders again only when its properties change.
export function memo(component) {
  return function Memo(props) {
    this.shouldComponentUpdate = (next) => {
      const names = Object.keys(next);
      return names.length !== Object.keys(this.props).length || names.some((name) => next[name] !== this.props[name]);
    };
    return h(component, props);
  };
}

export * from './vendor/hooks.js';
