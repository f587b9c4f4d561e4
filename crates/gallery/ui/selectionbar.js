// The bar for the selected images.
import { html } from './html.js';
import { useStore } from './store.js';
import { server } from './api.js';
import { MOST_IDS, clearSelection, openChange, select, selectEverything, selection } from './many.js';
import { photos, shown, totalShown } from './photos.js';
import { deleteLater } from './deletions.js';
import { ChangeDialog } from './changedialog.js';
import { route } from './route.js';
import { t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

// One image is deleted after a time to take that back; many are by a job, after a look at what goes.
export function deleteSelected() {
  const { ids, everything } = selection.get();
  if (everything || ids.size > 1) {
    openChange('delete');
    return;
  }
  deleteLater([...ids]);
  clearSelection();
}

const everythingFound = () => {
  const { q, from, to } = route.get();
  selectEverything({ q, from, to }, totalShown());
};

// Selects what is loaded, by ids; where these are too many, all that the search finds.
export function selectLoaded() {
  const all = shown();
  if (all.length > MOST_IDS) everythingFound();
  else if (all.length) select(all.map(({ id }) => id));
}

export function SelectionBar() {
  useLanguage();
  const { ids, everything, change } = useStore(selection);
  const { features } = useStore(server);
  const list = useStore(photos);
  if (!ids.size) return null;
  const all = shown();
  const total = totalShown();
  const isWhole = !list.next && all.length <= MOST_IDS;
  const selectAll = isWhole ? selectLoaded : everythingFound;
  const item = (name, icon, action) => html`
    <button class="button quiet" onClick=${action} title=${t(name)}><${Icon} name=${icon} /><span class="label">${t(name)}</span></button>`;
  const count = !everything ? t('many.selected', { n: ids.size })
    : everything.total === null ? t('many.everything-uncounted') : t('many.everything', { n: everything.total });
  return html`
    <div class="selection" role="region" aria-label=${t('many.label')}>
      <button class="round" aria-label=${t('many.clear')} title=${t('many.clear')} onClick=${clearSelection}><${Icon} name="close" /></button>
      <strong role="status">${count}</strong>
      ${!everything && (ids.size < all.length || !isWhole) && html`
        <button class="link" onClick=${selectAll}>${total === null ? t('many.all') : t('many.all-of', { n: total })}</button>`}
      <span class="grow"></span>
      ${features?.jobs && html`
        ${item('many.tag', 'plus', () => openChange('tag'))}
        ${item('many.untag', 'minus', () => openChange('untag'))}
        ${item('many.retag', 'retag', () => openChange('retag'))}
        ${item('many.delete', 'trash', deleteSelected)}`}
    </div>
    ${change && html`<${ChangeDialog} key=${change} kind=${change} onClose=${() => openChange(null)} />`}`;
}
