// What a job changes or changed: tags that come and go, and the photos that failed, by name.
import { html, useEffect, useState } from './html.js';
import { requestJson } from './api.js';
import { shown } from './photos.js';
import { pooled } from './pool.js';
import { nameOf } from './grid.js';
import { follow, urlOf } from './route.js';
import { explainItem } from './errors.js';
import { number, t } from './i18n.js';
import { Icon } from './icons.js';

const MOST_TAGS = 200;
const AT_A_TIME = 4;

export function Changes({ job, onOpen }) {
  const { tags, more, errors } = job.result;
  const isDelete = job.kind === 'delete';
  const title = t(isDelete ? 'changes.on-deleted' : job.dry_run ? 'changes.title' : 'changes.done');
  const rest = more + Math.max(0, tags.length - MOST_TAGS);
  return html`
    ${tags.length > 0 && html`
      <div class="changes">
        <h3>${title}</h3>
        <ul tabIndex="0" aria-label=${title}>
          ${tags.slice(0, MOST_TAGS).map((tally) => html`<${Tally} key=${tally.tag} tally=${tally} isDelete=${isDelete} />`)}
          ${rest > 0 && html`<li class="dim">${t('changes.more', { n: rest })}</li>`}
        </ul>
      </div>`}
    ${errors.length > 0 && html`<${Failures} errors=${errors} failed=${job.failed} onOpen=${onOpen} />`}`;
}

function Tally({ tally, isDelete }) {
  const { tag, gained, lost, moved, mean_move: move } = tally;
  const by = number(move / 100, { style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero' });
  const sign = (kind, icon, text) => html`<span class=${`change ${kind}`}><${Icon} name=${icon} size=${16} />${text}</span>`;
  return html`
    <li><span class="grow ellipsis" title=${tag}>${tag}</span>
      ${isDelete ? html`<span class="dim">${t('job.photos', { n: lost })}</span>` : html`
        ${gained > 0 && sign('gained', 'plus', t('changes.gained', { n: gained }))}
        ${lost > 0 && sign('lost', 'minus', t('changes.lost', { n: lost }))}
        ${moved > 0 && sign('moved', 'spark', t('changes.moved', { n: moved, by }))}`}</li>`;
}

function Failures({ errors, failed, onOpen }) {
  const names = useNames(errors.map(({ id }) => id));
  return html`
    <div class="changes failures">
      <h3>${t('changes.failed', { n: failed })}</h3>
      <ul tabIndex="0" aria-label=${t('changes.failed', { n: failed })}>
        ${errors.map(({ id, code, detail }) => html`
          <li key=${id}><span class="grow">
            <a class="ellipsis" href=${urlOf({ view: 'photos', image: id })} onClick=${(event) => { onOpen?.(); follow({ view: 'photos', image: id })(event); }}>${names.get(id) ?? t('grid.unnamed')}</a>
            <span class="error-text">${explainItem({ code, detail })}</span></span></li>`)}
        ${failed > errors.length && html`<li class="dim">${t('changes.more-failed', { n: failed - errors.length })}</li>`}
      </ul>
    </div>`;
}

// The names of images: those that are shown are known, others are asked for.
function useNames(ids) {
  const [names, setNames] = useState(() => new Map(shown().filter(({ id }) => ids.includes(id)).map((image) => [image.id, nameOf(image)])));
  useEffect(() => {
    const controller = new AbortController();
    const missing = ids.filter((id) => !names.has(id));
    pooled(missing, AT_A_TIME, async (id) => {
      const { value } = await requestJson(`image/${id}/info`, { signal: controller.signal, quiet: true }).catch(() => ({}));
      if (value?.file_name) setNames((old) => new Map([...old, [id, value.file_name]]));
    }, controller.signal);
    return () => controller.abort();
  }, [ids.join()]);
  return names;
}
