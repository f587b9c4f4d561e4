// The jobs: a list of all of them, and a small card for those that run.
import { html, useEffect, useState } from './html.js';
import { useStore } from './store.js';
import { ApiError, Unreachable } from './api.js';
import { askedFor, cancel, isActive, jobs, loadJobs, loadOlder, onEnd, openView } from './jobs.js';
import { jobOutcome, jobProgress, jobTarget, jobTitle } from './jobwords.js';
import { Changes } from './changes.js';
import { follow, go, urlOf } from './route.js';
import { notify, notifyError } from './notices.js';
import { explain } from './errors.js';
import { formatDate, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const ICONS = { edit: 'tag', retag: 'retag', delete: 'trash' };
const MOST_CARDS = 2;

export function JobsView() {
  const language = useLanguage();
  const { items, next, isLoaded, error: latest } = useStore(jobs);
  // While the server is away, what is known stays.
  const error = latest instanceof Unreachable ? null : latest;
  useEffect(openView, [language]);
  // What was only looked at changed nothing.
  const listed = items.filter((job) => isActive(job) || !job.dry_run);
  const older = () => loadOlder().catch((reason) => notifyError(explain(reason)));
  return html`
    <main class="page jobs-page" id="main">
      <div class="page-head"><h1>${t('nav.jobs')}</h1><p class="dim">${t('jobs.hint')}</p></div>
      ${error && html`
        <div class="empty" role="alert"><${Icon} name=${isRefused(error) ? 'key' : 'warning'} size=${40} /><p>${explain(error)}</p>
          <button class="button quiet" onClick=${loadJobs}>${t('retry')}</button></div>`}
      ${isLoaded && !error && !listed.length && html`
        <div class="empty"><${Icon} name="jobs" size=${40} /><h2>${t('jobs.none')}</h2><p class="dim">${t('jobs.none-hint')}</p>
          <a class="button quiet" href=${urlOf({ view: 'photos' })} onClick=${follow({ view: 'photos' })}>${t('nav.photos')}</a></div>`}
      ${!error && html`<ul class="jobs">${listed.map((job) => html`<${Job} key=${job.id} job=${job} />`)}</ul>`}
      ${next && !error && html`<p class="more"><button class="button quiet" onClick=${older}>${t('jobs.older')}</button></p>`}
    </main>`;
}

const isRefused = (error) => error instanceof ApiError && [401, 403].includes(error.status);

function Job({ job }) {
  const { id, kind, state, created, finished, result, dry_run: isDry } = job;
  const active = isActive(job);
  const [isOpen, setOpen] = useState(false);
  const hasMore = result && (result.tags.length > 0 || result.errors.length > 0);
  const title = jobTitle(job);
  const date = formatDate(created, { dateStyle: 'medium', timeStyle: 'short' });
  return html`
    <li class=${`card job ${state}`} data-job=${id}>
      <div class="job-head">
        <span class="job-kind" aria-hidden="true"><${Icon} name=${ICONS[kind] ?? 'jobs'} /></span>
        <div class="grow">
          <h2>${isDry ? t('job.dry', { title }) : title}</h2>
          <p class="dim">${jobTarget(job)}</p>
        </div>
        ${!active && html`<span class=${`state ${state}`}>${t(`job.state.${state}`)}</span>`}
        ${active && html`<${StopButton} job=${job} />`}
      </div>
      ${active
        ? html`<${Progress} job=${job} /><p class="dim small-text">${jobProgress(job)}</p>`
        : html`<p>${jobOutcome(job)}</p>`}
      ${hasMore && html`
        <details onToggle=${(event) => setOpen(event.currentTarget.open)}>
          <summary>${t('jobs.details')}</summary>
          ${isOpen && html`<${Changes} job=${job} />`}
        </details>`}
      <p class="dim small-text">${[
        t('job.created', { date }), finished && t('job.finished', { date: formatDate(finished, { timeStyle: 'short' }) }),
        t(askedFor(id) ? 'job.here' : 'job.elsewhere'),
      ].filter(Boolean).join(' · ')}</p>
    </li>`;
}

const Progress = ({ job }) => html`
  <progress max="1" value=${job.state === 'queued' || !job.total ? undefined : job.done / job.total} aria-label=${jobTitle(job)}></progress>`;

function StopButton({ job }) {
  const [isStopping, setStopping] = useState(false);
  const stop = async () => {
    setStopping(true);
    try {
      await cancel(job.id);
    } catch (error) {
      notifyError(explain(error));
    }
    setStopping(false);
  };
  return html`
    <button class="button quiet small" disabled=${isStopping} aria-label=${t('job.stop-one', { title: jobTitle(job) })} onClick=${stop}>${t('job.stop')}</button>`;
}

// The running jobs of this browser, in a corner; screen readers announce their end alone.
export function JobCards() {
  useLanguage();
  const { items } = useStore(jobs);
  const own = items.filter((job) => isActive(job) && !job.dry_run && askedFor(job.id));
  if (!own.length) return null;
  return html`
    <section class="job-cards" aria-label=${t('jobs.running')} aria-live="off">
      ${own.slice(0, MOST_CARDS).map((job) => html`
        <div class="job-card" key=${job.id}>
          <a class="grow" href=${urlOf({ view: 'jobs', image: '' })} onClick=${follow({ view: 'jobs', image: '' })}>
            <span class="ellipsis">${jobTitle(job)}</span><span class="dim small-text">${jobProgress(job)}</span></a>
          <${StopButton} job=${job} />
          <${Progress} job=${job} />
        </div>`)}
      ${own.length > MOST_CARDS && html`
        <a class="job-card" href=${urlOf({ view: 'jobs', image: '' })} onClick=${follow({ view: 'jobs', image: '' })}>${t('jobs.more', { n: own.length - MOST_CARDS })}</a>`}
    </section>`;
}

// The number of running jobs of all callers, beside the link to their list.
export function JobsBadge() {
  const { items } = useStore(jobs);
  const count = items.filter((job) => isActive(job) && !job.dry_run).length;
  return count ? html`<span class="badge"><span class="hidden">${t('jobs.running')}: </span>${count}</span>` : null;
}

onEnd((job) => {
  const hasFailed = job.state === 'failed' || job.failed > 0;
  notify({
    text: jobOutcome(job), kind: hasFailed ? 'error' : 'plain', seconds: hasFailed ? 20 : 10,
    action: { label: t('jobs.details'), run: () => go({ view: 'jobs', image: '' }) },
  });
});
