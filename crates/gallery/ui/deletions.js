// Deletions with ten seconds to take them back. The server is asked only when they are over, or when the page is left.
import { ApiError, request } from './api.js';
import { forget, hide, show } from './photos.js';
import { notify, notifyError } from './notices.js';
import { explain } from './errors.js';
import { t } from './i18n.js';
import { pooled } from './pool.js';

const UNDO_SECONDS = 10;
// Requests that outlive the page are limited by browsers.
const MOST_AT_EXIT = 200;
const AT_A_TIME = 4;

const pending = new Set();

// Hides the images, and deletes them when nobody takes that back.
export function deleteLater(ids) {
  hide(ids);
  const batch = { ids, isOver: false };
  pending.add(batch);
  const stop = () => {
    clearInterval(ticking);
    pending.delete(batch);
    notice.close();
    const first = !batch.isOver;
    batch.isOver = true;
    return first;
  };
  batch.send = (options) => (stop() ? send(ids, options) : Promise.resolve());
  const ends = Date.now() + UNDO_SECONDS * 1000;
  const text = () => t('deletion.pending', { n: ids.length, seconds: Math.max(0, Math.ceil((ends - Date.now()) / 1000)) });
  const undo = { label: t('undo'), run: () => { if (stop()) show(ids); } };
  const notice = notify({ text: text(), kind: 'undo', action: undo, seconds: 0 });
  batch.undo = undo.run;
  const ticking = setInterval(() => {
    if (Date.now() >= ends) batch.send();
    else notice.update({ text: text() });
  }, 500);
}

async function send(ids, { keepalive = false } = {}) {
  const gone = [];
  const failed = [];
  let reason = null;
  const one = async (id) => {
    try {
      await request(`image/${id}`, { method: 'DELETE', keepalive });
      gone.push(id);
    } catch (error) {
      // Somebody else was faster.
      if (error instanceof ApiError && error.code === 'image-not-found') gone.push(id);
      else {
        failed.push(id);
        reason = error;
      }
    }
  };
  await pooled(ids, keepalive ? MOST_AT_EXIT : AT_A_TIME, one);
  forget(gone);
  show(failed);
  if (failed.length) {
    notifyError(`${t('deletion.failed', { n: failed.length })} ${explain(reason)}`, {
      label: t('retry'), run: () => deleteLater(failed),
    });
  } else {
    notify({ text: t('deletion.done', { n: gone.length }) });
  }
}

// Takes the latest deletion back; whether there was one.
export function undoLast() {
  const last = [...pending].at(-1);
  last?.undo();
  return Boolean(last);
}

function sendAll() {
  for (const batch of [...pending]) batch.send({ keepalive: true });
}

addEventListener('pagehide', sendAll);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') sendAll();
});
