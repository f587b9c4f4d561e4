// Jobs: changes of many images, carried out by the server in the background.
import { createStore } from './store.js';
import { ApiError, Unreachable, idempotencyKey, named, nextPage, query, request, requestJson, server, whenOnline } from './api.js';
import { pooled, sleep } from './pool.js';
import { renew } from './photos.js';

const TRIES = 6;
const PAGE = 20;
// Pauses between two looks at running jobs, and at a list in which nothing runs.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
const IDLE_PAUSE_MS = 10_000;
const LONGEST_IDLE_MS = 120_000;
// How many running jobs are asked for one by one; where there are more, the list is.
const MOST_SINGLE = 6;

// The jobs that are known, newest first; `next` is the page of older ones.
export const jobs = createStore({ items: [], next: null, isLoaded: false, error: null });

export const isActive = ({ state }) => state === 'queued' || state === 'running';
const isRunning = (job) => isActive(job) && !job.dry_run;

// The body of a request for a change of the images of a target: `{ ids }` or `{ search }`.
function bodyOf({ kind, add, remove, provider }, target, more) {
  const body = { kind, filter: filterOf(target), ...more };
  if (kind === 'edit') Object.assign(body, { add, remove });
  if (provider) body.provider = provider;
  return body;
}

function filterOf({ ids, search }) {
  if (ids) return { ids };
  const { q, from, to } = search;
  const filter = { ...(q?.trim() && { q }), ...(from && { min_date: from }), ...(to && { max_date: to }) };
  return Object.keys(filter).length ? filter : { all: true };
}

// Makes a job, once: a request without an answer is repeated under its key.
async function create(body, signal) {
  const headers = { 'Idempotency-Key': idempotencyKey() };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await requestJson(`jobs${query(named())}`, { method: 'POST', json: body, headers, signal })).value;
    } catch (error) {
      const isAway = error instanceof Unreachable;
      if (signal?.aborted || !(isAway || (error.isTemporary && attempt < TRIES))) throw error;
      if (isAway) await whenOnline();
      else await sleep((error.retryAfter ?? 2) * 1000, signal);
    }
  }
}

const read = async (id, signal) => (await requestJson(`jobs/${id}${query(named())}`, { signal, quiet: true })).value;

// Finds out what a change would do, without changing anything. Cancelled by the signal.
export async function look(change, target, signal, onProgress) {
  let job = await create(bodyOf(change, target, { dry_run: true }), signal);
  const stop = () => request(`jobs/${job.id}`, { method: 'DELETE', keepalive: true, quiet: true }).catch(() => {});
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  for (let pause = FIRST_PAUSE_MS / 4; isActive(job); pause = Math.min(LONGEST_PAUSE_MS / 2, pause * 1.4)) {
    await sleep(pause, signal);
    try {
      job = await read(job.id, signal);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      await whenOnline();
    }
    onProgress(job);
  }
  signal.removeEventListener('abort', stop);
  return job;
}

// Starts a change of as many images as were looked at.
export async function start(change, target, expected) {
  const job = await create(bodyOf(change, target, { expected }));
  remember(job.id, { ...change, search: target.search ?? null });
  put([job]);
  pause = FIRST_PAUSE_MS;
  schedule();
  return job;
}

export async function cancel(id) {
  const { value } = await requestJson(`jobs/${id}${query(named())}`, { method: 'DELETE' });
  put([value]);
}

// --- what this browser asked for ---------------------------------------------------------------------------------

const STORED = 'etiqueta.jobs';
const MOST_STORED = 60;

// The server keeps what jobs do, and does not tell: the page remembers its own.
const asked = new Map(readStored());

function readStored() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? '[]');
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

function remember(id, change) {
  asked.set(id, change);
  for (const old of [...asked.keys()].slice(0, -MOST_STORED)) asked.delete(old);
  try {
    localStorage.setItem(STORED, JSON.stringify([...asked]));
  } catch {
    // Storage is blocked or full: it is known until the page is left.
  }
}

// What a job of this browser does; undefined for others.
export const askedFor = (id) => asked.get(id);

// --- watching ----------------------------------------------------------------------------------------------------

const listeners = new Set();

// Calls `listener` with each job of this browser whose end is seen.
export const onEnd = (listener) => listeners.add(listener);

function put(found) {
  const known = new Map(jobs.get().items.map((job) => [job.id, job]));
  const ended = found.filter((job) => known.has(job.id) && isActive(known.get(job.id)) && !isActive(job) && !job.dry_run);
  // What comes first is newer, within a second too.
  const fresh = found.filter(({ id }) => !known.has(id));
  for (const job of found) if (known.has(job.id)) known.set(job.id, job);
  const items = [...fresh, ...known.values()].sort((a, b) => b.created.localeCompare(a.created));
  jobs.set({ items });
  if (!ended.length) return;
  renew();
  for (const job of ended) if (asked.has(job.id)) listeners.forEach((listener) => listener(job));
}

// Loads the newest jobs.
export async function loadJobs() {
  try {
    const { value, response } = await requestJson(`jobs${query(named({ limit: PAGE }))}`, { quiet: true });
    const { isLoaded, next } = jobs.get();
    put(value);
    jobs.set({ isLoaded: true, error: null, next: isLoaded ? next : nextPage(response) });
  } catch (error) {
    jobs.set({ error });
  }
  schedule();
}

export async function loadOlder() {
  const { next } = jobs.get();
  if (!next) return;
  const { value, response } = await requestJson(next);
  put(value);
  jobs.set({ next: nextPage(response) });
}

let timer = null;
let pause = FIRST_PAUSE_MS;
let idle = IDLE_PAUSE_MS;
let views = 0;

// Looks at running jobs, at longer and longer intervals; while a list of jobs is open, at others now and then.
function schedule() {
  clearTimeout(timer);
  const isBusy = jobs.get().items.some(isActive);
  if (document.hidden || !server.get().online || !(isBusy || views)) return;
  timer = setTimeout(tick, isBusy ? pause : idle);
}

async function tick() {
  const active = jobs.get().items.filter(isActive);
  if (!active.length || active.length > MOST_SINGLE) {
    idle = Math.min(LONGEST_IDLE_MS, idle * 2);
    pause = LONGEST_PAUSE_MS;
    await loadJobs();
    return;
  }
  pause = Math.min(LONGEST_PAUSE_MS, pause * 1.3);
  await pooled(active, 2, async ({ id }) => {
    try {
      put([await read(id)]);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'job-not-found') jobs.set({ items: jobs.get().items.filter((job) => job.id !== id) });
    }
  });
  schedule();
}

// A view of the jobs is open, until the result is called.
export function openView() {
  views += 1;
  idle = IDLE_PAUSE_MS;
  loadJobs();
  return () => { views -= 1; };
}

export const running = () => jobs.get().items.filter(isRunning);

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  pause = FIRST_PAUSE_MS;
  schedule();
});

// Once the page knows what the server offers, and whenever that is back, it looks for jobs that run.
let wasReady = false;
server.subscribe(({ online, features }) => {
  const isReady = online && Boolean(features?.jobs);
  if (isReady && !wasReady) loadJobs();
  wasReady = isReady;
});
