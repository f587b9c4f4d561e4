// The server's HTTP API. Every path is relative to the page, so that the page works below any prefix.
import { createStore } from './store.js';
import { tagLanguage } from './i18n.js';

// Whether the server answers, what it offers, and who calls. `sessions` counts log-ins and log-outs.
export const server = createStore({
  online: true, hasNames: true, features: null, version: '', signedIn: null, isAdmin: false, needsKey: false, sessions: 0,
});

// An answer that is an error: `code` and the members of the problem document.
export class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? `http-${status}`;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  // Whether the same request may succeed later.
  get isTemporary() {
    return this.status === 429 || this.status === 503 || this.code === 'idempotency-in-progress';
  }
}

// No answer at all: the server is away, or the network.
export class Unreachable extends Error {}

export function problemOf(status, text, headers) {
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy in between answered in its own way.
  }
  const seconds = Number.parseInt(headers('Retry-After') ?? problem.retry_after, 10);
  return new ApiError(status, problem, Number.isFinite(seconds) ? seconds : null);
}

// A request was refused for want of a key: the page asks for one.
export const reportRefused = () => server.set({ needsKey: true });

export async function request(path, { method = 'GET', json, headers = {}, signal, keepalive, quiet } = {}) {
  if (json !== undefined) headers = { ...headers, 'Content-Type': 'application/json' };
  let response;
  try {
    response = await fetch(path, {
      method, headers, signal, keepalive,
      body: json === undefined ? undefined : JSON.stringify(json),
      credentials: 'same-origin', cache: method === 'GET' ? 'no-cache' : undefined,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    goOffline();
    throw new Unreachable();
  }
  if (!response.ok) {
    const error = problemOf(response.status, await response.text().catch(() => ''), (name) => response.headers.get(name));
    if (response.status === 401 && !quiet) reportRefused();
    if (error.problem.parameter === 'language' && server.get().hasNames) {
      // A server without names in this language: tags are shown as they are.
      server.set({ hasNames: false });
      return request(withoutLanguage(path), { method, json, headers, signal, keepalive, quiet });
    }
    throw error;
  }
  return response;
}

// As `request`, for an answer in JSON. A body that breaks off counts as no answer.
export async function requestJson(path, options) {
  const response = await request(path, options);
  try {
    return { value: await response.json(), response };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Unreachable();
  }
}

export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, value);
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}

// The parameters with the language in which tags are shown and written.
export const named = (parameters = {}) => ({ ...parameters, language: server.get().hasNames ? tagLanguage() : '' });

function withoutLanguage(path) {
  const url = new URL(path, document.baseURI);
  url.searchParams.delete('language');
  return url.href;
}

// The URL of the next page, from the `Link` of a list.
export function nextPage(response) {
  const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get('Link') ?? '');
  return link ? new URL(link[1], response.url).href : null;
}

// Names a request, so that it can be repeated. `crypto.randomUUID` is missing where the page is not served over https.
export function idempotencyKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const thumbnail = (id, size) => `image/${id}/thumbnail?size=${size}`;
export const original = (id) => `image/${id}/file`;

// --- away and back -----------------------------------------------------------------------------------------------

// The first look comes soon: often it was a single connection that broke.
const FIRST_PROBE_MS = 300;
const PROBE_MS = 2000;
let probing = false;

export function goOffline() {
  if (server.get().online) server.set({ online: false });
  if (!probing) probe();
}

async function probe() {
  probing = true;
  for (let wait = FIRST_PROBE_MS; !server.get().online; wait = PROBE_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      const response = await fetch('livez', { cache: 'no-store' });
      if (response.ok) server.set({ online: true });
    } catch {
      // Still away.
    }
  }
  probing = false;
}

// Resolves once the server answers.
export const whenOnline = () => when(({ online }) => online);

// Resolves once it is known what the server offers.
export const whenDiscovered = () => when(({ features }) => features);

function when(holds) {
  if (holds(server.get())) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = server.subscribe((state) => {
      if (holds(state)) {
        stop();
        resolve();
      }
    });
  });
}

// --- what the server offers --------------------------------------------------------------------------------------

const parameter = (operation, name) =>
  (operation?.parameters ?? []).some((it) => it.name?.toLowerCase() === name.toLowerCase());

// The features of a server, from its OpenAPI document: the page shows what is there, and nothing else.
export function featuresOf({ paths = {} }) {
  const image = paths['/image/{id}'] ?? {};
  const tags = paths['/image/{id}/tags'] ?? {};
  const list = paths['/images']?.get;
  return {
    remove: Boolean(image.delete),
    edit: Boolean(tags.get && tags.patch),
    retag: Boolean(paths['/image/{id}/retag']?.post),
    vocabulary: Boolean(paths['/vocabulary/{tag}']?.put),
    jobs: Boolean(paths['/jobs']?.post),
    similar: Boolean(paths['/image/{id}/similar']?.get),
    duplicates: Boolean(paths['/image/{id}/duplicates']?.get),
    taggers: Boolean(paths['/taggers']?.get),
    taken: parameter(list, 'order'),
    count: parameter(list, 'count'),
    chooseTagger: parameter(paths['/image/{id}/retag']?.post, 'provider'),
  };
}

export async function discover() {
  const { value } = await requestJson('openapi.json', { quiet: true });
  server.set({ features: featuresOf(value), version: value.info?.version ?? '' });
}

// --- who calls ---------------------------------------------------------------------------------------------------

// There is no route that tells who calls: `/keys` answers 200 to an admin, 403 to any other key, 401 to none.
export async function whoAmI() {
  try {
    const { value } = await requestJson('keys', { quiet: true });
    server.set({ signedIn: true, isAdmin: true });
    return value;
  } catch (error) {
    if (error instanceof ApiError) server.set({ signedIn: error.status === 403, isAdmin: false });
    return null;
  }
}

export async function signIn(key) {
  await request('session', { method: 'POST', json: { key }, quiet: true });
  await whoAmI();
  server.set({ needsKey: false, sessions: server.get().sessions + 1 });
}

export async function signOut() {
  await request('session', { method: 'DELETE' });
  await whoAmI();
  server.set({ sessions: server.get().sessions + 1 });
}
