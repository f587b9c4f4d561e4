// The panel beside an image: tags and facts.
import { html, useEffect, useState } from './html.js';
import { useStore } from './store.js';
import { ApiError, Unreachable, named, query, requestJson, server, thumbnail, whenOnline } from './api.js';
import { follow, urlOf } from './route.js';
import { updateTags } from './photos.js';
import { term, withTerm } from './terms.js';
import { notify, notifyError } from './notices.js';
import { SuggestField } from './suggest.js';
import { Facts } from './facts.js';
import { explain } from './errors.js';
import { number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const SOURCES = { person: 'person', provider: 'spark', file: 'file' };

export function Details({ id, image }) {
  const language = useLanguage();
  const { features } = useStore(server);
  const [detail, setDetail] = useState(null);
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const edit = features?.edit;

  const show = (value) => {
    setDetail(value);
    updateTags(id, value.tags);
  };
  useEffect(() => {
    if (!features) return undefined;
    const controller = new AbortController();
    loadTags(id, edit, image, controller.signal).then(setDetail, (reason) => {
      if (reason.name !== 'AbortError') setError(reason);
    });
    return () => controller.abort();
  }, [id, features, language]);

  const change = async (body, message) => {
    setBusy(true);
    try {
      const { value } = await requestJson(`image/${id}/tags${query(named())}`, { method: 'PATCH', json: body });
      show(value);
      if (message) notify(message);
    } catch (reason) {
      notifyError(explain(reason), { label: t('retry'), run: () => change(body, message) });
    } finally {
      setBusy(false);
    }
  };
  const add = (tag) => change({ add: [tag] });
  const remove = ({ tag, source, confidence }) => {
    const undo = { add: [{ tag, confidence }] };
    change({ remove: [tag] }, {
      text: t(source === 'person' ? 'tags.removed' : 'tags.rejected', { tag }),
      action: { label: t('undo'), run: () => change(undo) }, seconds: 8,
    });
  };
  const retag = async () => {
    setBusy(true);
    try {
      const { value } = await requestJson(`image/${id}/retag${query(named())}`, { method: 'POST' });
      show(value);
      notify({ text: t('retag.done') });
    } catch (reason) {
      notifyError(explain(reason), { label: t('retry'), run: retag });
    } finally {
      setBusy(false);
    }
  };
  if (error instanceof ApiError && error.status === 404) {
    return html`<div class="panel-body"><p>${t('viewer.gone')}</p></div>`;
  }
  const tags = detail?.tags ?? image?.tags ?? [];
  return html`
    <div class="panel-body" aria-busy=${isBusy ? 'true' : 'false'}>
      <section>
        <header class="panel-head">
          <h2>${t('tags.title')}</h2>
          ${features?.retag && html`
            <button class="button quiet small" disabled=${isBusy} onClick=${retag} title=${t('retag.hint')}>
              <span class=${isBusy ? 'turning' : ''}><${Icon} name="retag" size=${16} /></span>${t('retag.action')}</button>`}
        </header>
        ${error && html`<p class="error-text">${explain(error)}</p>`}
        ${tags.length === 0 && !error && html`<p class="dim">${t('tags.none')}</p>`}
        <ul class="tag-list">
          ${tags.map((it) => html`<${TagRow} key=${it.tag} tag=${it} canRemove=${edit && Boolean(detail)} onRemove=${remove} />`)}
        </ul>
        ${edit && html`<${AddTag} onAdd=${add} />`}
        ${detail?.rejected?.length > 0 && html`<${Rejected} tags=${detail.rejected} onRestore=${add} />`}
      </section>
      <${Facts} id=${id} image=${image} />
      ${features?.duplicates && html`<${Found} id=${id} route="duplicates" title=${t('duplicates.title')} />`}
      ${features?.similar && html`<${Found} id=${id} route="similar" title=${t('similar.title')} />`}
    </div>`;
}

// Where tags cannot be edited, those of the list are all there is.
async function loadTags(id, edit, image, signal) {
  if (!edit && image) return { tags: image.tags, rejected: [] };
  try {
    const { value } = await requestJson(`image/${id}${edit ? '/tags' : ''}${query(named())}`, { signal });
    return { tags: value.tags, rejected: value.rejected ?? [] };
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    await whenOnline();
    if (signal.aborted) throw error;
    return loadTags(id, edit, image, signal);
  }
}

function TagRow({ tag: it, canRemove, onRemove }) {
  const { tag, confidence, source, provider } = it;
  const search = { view: 'photos', image: '', q: withTerm('', term(tag)) };
  const from = source === 'provider' ? provider ?? '' : '';
  const whence = source ? t(`source.${source}`, { provider: from }) : '';
  return html`
    <li class="tag-row">
      <a class="tag-name" href=${urlOf(search)} onClick=${follow(search)} title=${t('tags.search', { tag })}>${tag}</a>
      <span class="tag-source" title=${whence}>${source && html`<${Icon} name=${SOURCES[source] ?? 'tag'} size=${16} /><span class="hidden">${whence}</span>`}</span>
      <span class="tag-percent">${number(confidence / 100, { style: 'percent', maximumFractionDigits: 0 })}</span>
      ${canRemove && html`
        <button class="round small" aria-label=${t('tags.remove', { tag })} title=${t(source === 'person' ? 'tags.remove' : 'tags.reject', { tag })}
          onClick=${() => onRemove(it)}><${Icon} name="close" size=${16} /></button>`}
      <span class="tag-bar" aria-hidden="true"><span style=${{ width: `${confidence}%` }}></span></span>
    </li>`;
}

function AddTag({ onAdd }) {
  const [text, setText] = useState('');
  const submit = (value) => {
    const tag = value.trim();
    if (tag) onAdd(tag);
    setText('');
  };
  return html`
    <div class="add-tag">
      <${Icon} name="plus" size=${18} />
      <${SuggestField} value=${text} onValue=${setText} label=${t('tags.add')} placeholder=${t('tags.add')} onChoose=${submit} onSubmit=${submit} />
    </div>`;
}

function Rejected({ tags, onRestore }) {
  return html`
    <details class="rejected">
      <summary>${t('tags.rejected-list', { n: tags.length })}</summary>
      <ul>
        ${tags.map((tag) => html`
          <li key=${tag}><span class="grow ellipsis">${tag}</span>
            <button class="button quiet small" onClick=${() => onRestore(tag)}><${Icon} name="undo" size=${16} />${t('tags.restore')}<span class="hidden"> ${tag}</span></button>
          </li>`)}
      </ul>
    </details>`;
}

// Images that the server finds for this one, by a route below it. Nothing is shown where there are none.
function Found({ id, route, title }) {
  const [list, setList] = useState([]);
  useEffect(() => {
    const controller = new AbortController();
    requestJson(`image/${id}/${route}${query(named({ limit: 12 }))}`, { signal: controller.signal, quiet: true })
      .then(({ value }) => setList(value), () => setList([]));
    return () => controller.abort();
  }, [id]);
  if (!list.length) return null;
  return html`
    <section class=${`found-${route}`}>
      <h2>${title}</h2>
      <div class="thumbs">
        ${list.map((image) => html`
          <a key=${image.id} href=${urlOf({ image: image.id })} onClick=${follow({ image: image.id })} title=${likeness(image)}>
            <img src=${thumbnail(image.id, 256)} alt=${`${image.tags?.map(({ tag }) => tag).slice(0, 3).join(', ') || t('viewer.label')}, ${likeness(image)}`} loading="lazy" />
          </a>`)}
      </div>
    </section>`;
}

const likeness = ({ similarity }) => t('found.likeness', { percent: number(similarity / 100, { style: 'percent', maximumFractionDigits: 0 }) });
