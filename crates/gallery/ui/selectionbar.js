// The bar for the selected images.
import { html, useEffect, useState } from './html.js';
import { useStore } from './store.js';
import { requestJson, server } from './api.js';
import { clearSelection, editTags, retag, select, selectedTags, selection } from './many.js';
import { MOST_AT_ONCE, loadAll, photos, shown } from './photos.js';
import { deleteLater } from './deletions.js';
import { Dialog } from './dialog.js';
import { SuggestField } from './suggest.js';
import { number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

export function SelectionBar() {
  useLanguage();
  const { ids } = useStore(selection);
  const { features } = useStore(server);
  const list = useStore(photos);
  const [dialog, setDialog] = useState(null);
  const [isLoading, setLoading] = useState(false);
  const close = () => setDialog(null);
  if (!ids.size) return null;
  const all = shown();
  const selectAll = async () => {
    setLoading(true);
    await loadAll();
    setLoading(false);
    select(shown().slice(0, MOST_AT_ONCE).map(({ id }) => id));
  };
  const remove = () => {
    deleteLater([...ids]);
    clearSelection();
  };
  const item = (name, icon, action) => html`
    <button class="button quiet" onClick=${action} title=${t(name)}><${Icon} name=${icon} /><span class="label">${t(name)}</span></button>`;
  return html`
    <div class="selection" role="region" aria-label=${t('many.label')}>
      <button class="round" aria-label=${t('many.clear')} title=${t('many.clear')} onClick=${clearSelection}><${Icon} name="close" /></button>
      <strong role="status">${t('many.selected', { n: ids.size })}</strong>
      ${(ids.size < all.length || list.next) && html`
        <button class="link" disabled=${isLoading} onClick=${selectAll}>${isLoading ? t('many.loading', { n: all.length }) : t('many.all')}</button>`}
      <span class="grow"></span>
      ${features?.edit && item('many.tag', 'plus', () => setDialog('tag'))}
      ${features?.edit && item('many.untag', 'minus', () => setDialog('untag'))}
      ${features?.retag && item('many.retag', 'retag', () => setDialog('retag'))}
      ${features?.remove && item('many.delete', 'trash', remove)}
    </div>
    ${dialog === 'tag' && html`<${AddDialog} ids=${ids} onClose=${close} />`}
    ${dialog === 'untag' && html`<${RemoveDialog} ids=${ids} onClose=${close} />`}
    ${dialog === 'retag' && html`<${RetagDialog} ids=${ids} features=${features} onClose=${close} />`}`;
}

function AddDialog({ ids, onClose }) {
  const [tags, setTags] = useState([]);
  const [text, setText] = useState('');
  const add = (value) => {
    const tag = value.trim();
    if (tag && !tags.includes(tag)) setTags([...tags, tag]);
    setText('');
  };
  const submit = () => {
    const chosen = text.trim() ? [...tags, text.trim()] : tags;
    if (!chosen.length) return;
    onClose();
    editTags(ids, { add: chosen });
  };
  return html`
    <${Dialog} title=${t('many.tag-title', { n: ids.size })} onClose=${onClose}>
      <div class="chips">
        ${tags.map((tag) => html`<span class="chip" key=${tag}><span>${tag}</span>
          <button class="chip-close" aria-label=${t('tags.remove', { tag })} onClick=${() => setTags(tags.filter((it) => it !== tag))}><${Icon} name="close" size=${14} /></button></span>`)}
      </div>
      <div class="add-tag boxed"><${Icon} name="plus" size=${18} />
        <${SuggestField} value=${text} onValue=${setText} label=${t('tags.add')} placeholder=${t('tags.add')} onChoose=${add}
          onSubmit=${(value) => (value.trim() ? add(value) : submit())} /></div>
      <div class="dialog-foot"><button class="button quiet" onClick=${onClose}>${t('cancel')}</button>
        <button class="button accent" disabled=${!tags.length && !text.trim()} onClick=${submit}>${t('many.tag')}</button></div>
    <//>`;
}

const MOST_TAGS = 200;

function RemoveDialog({ ids, onClose }) {
  const [chosen, setChosen] = useState(new Set());
  const tags = selectedTags().slice(0, MOST_TAGS);
  const flip = (tag) => {
    const next = new Set(chosen);
    if (!next.delete(tag)) next.add(tag);
    setChosen(next);
  };
  const submit = () => {
    onClose();
    editTags(ids, { remove: [...chosen] });
  };
  return html`
    <${Dialog} title=${t('many.untag-title', { n: ids.size })} onClose=${onClose}>
      <p class="dim">${tags.length ? t('many.untag-hint') : t('tags.none')}</p>
      <div class="choices" role="group" aria-label=${t('tags.title')} tabIndex="0">
        ${tags.map(([tag, count]) => html`
          <label key=${tag}><input type="checkbox" checked=${chosen.has(tag)} onChange=${() => flip(tag)} />
            <span class="grow ellipsis">${tag}</span><span class="dim">${number(count)}</span></label>`)}
      </div>
      <div class="dialog-foot"><button class="button quiet" onClick=${onClose}>${t('cancel')}</button>
        <button class="button accent" disabled=${!chosen.size} onClick=${submit}>${t('many.untag')}</button></div>
    <//>`;
}

function RetagDialog({ ids, features, onClose }) {
  const [taggers, setTaggers] = useState([]);
  const [chosen, setChosen] = useState('');
  useEffect(() => {
    if (features.taggers && features.chooseTagger) requestJson('taggers', { quiet: true }).then(({ value }) => setTaggers(value), () => {});
  }, []);
  const submit = () => {
    onClose();
    retag(ids, chosen);
  };
  return html`
    <${Dialog} title=${t('many.retag-title', { n: ids.size })} onClose=${onClose}>
      <p>${t('many.retag-hint')}</p>
      ${taggers.length > 1 && html`
        <label class="field">${t('taggers.one')}
          <select value=${chosen} onChange=${(event) => setChosen(event.target.value)}>
            <option value="">${t('taggers.default')}</option>
            ${taggers.map(({ name }) => html`<option value=${name}>${name}</option>`)}
          </select></label>`}
      <div class="dialog-foot"><button class="button quiet" onClick=${onClose}>${t('cancel')}</button>
        <button class="button accent" data-first onClick=${submit}>${t('many.retag')}</button></div>
    <//>`;
}
