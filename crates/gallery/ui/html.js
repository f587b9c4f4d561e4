// Preact and htm, bound to each other once.
import { h, render, Fragment } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
export { render, Fragment };
export * from './vendor/hooks.js';
