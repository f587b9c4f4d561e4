// Jobs in words.
import { askedFor } from './jobs.js';
import { rangeText } from './search.js';
import { t } from './i18n.js';

const MOST_NAMED = 3;

const quoted = (tags) => {
  const named = tags.slice(0, MOST_NAMED).map((tag) => t('job.quoted', { tag }));
  return tags.length > MOST_NAMED ? t('job.and-more', { tags: named.join(', '), more: tags.length - MOST_NAMED }) : named.join(', ');
};

// What a job does: "Add “dog”".
export function jobTitle({ id, kind }) {
  const { add = [], remove = [] } = askedFor(id) ?? {};
  if (kind !== 'edit' || !(add.length || remove.length)) return t(`job.title.${kind}`);
  if (!remove.length) return t('job.add', { tags: quoted(add) });
  if (!add.length) return t('job.remove', { tags: quoted(remove) });
  return t('job.add-remove', { tags: quoted(add), removed: quoted(remove) });
}

// To which photos: "12 selected photos".
export function jobTarget({ id, total }) {
  const change = askedFor(id);
  if (!change) return t('job.photos', { n: total });
  if (!change.search) return t('job.selected', { n: total });
  return searchText(change.search);
}

export function searchText({ q, from, to }) {
  const which = q ? t('job.matching', { search: q }) : t('job.all');
  return from || to ? `${which} · ${rangeText(from, to)}` : which;
}

// How far it is: "12 of 30".
export function jobProgress({ state, done, total, failed }) {
  if (state === 'queued') return t('job.state.queued');
  const text = t('job.progress', { done, total });
  return failed ? `${text} · ${t('many.failed', { n: failed })}` : text;
}

// How it ended: "30 photos changed."
export function jobOutcome({ kind, state, done, failed, result }) {
  const parts = [];
  if (kind === 'features') {
    parts.push(t('job.prepared', { n: done - failed }));
  } else {
    const key = kind === 'delete' ? 'deleted' : 'changed';
    parts.push(t(state === 'cancelled' ? `job.stopped-${key}` : `job.${key}`, { n: result?.changed ?? 0 }));
  }
  if (state === 'failed') parts.unshift(t('job.broken'));
  if (failed) parts.push(t('many.failed', { n: failed }));
  return parts.join(' ');
}
